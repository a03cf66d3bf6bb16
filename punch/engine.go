package punch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
)

const (
	callCount    = 5                      // of a round
	callGap      = 200 * time.Millisecond // between the calls of a round
	offerGap     = time.Second            // that an answer may take before the offer is repeated
	offerTries   = 3
	firstWithin  = 100 * time.Millisecond // a round begins when there is something new
	leastPause   = 5 * time.Second        // after a round without success; doubles
	longestPause = 5 * time.Minute
	mostAhead    = 200 * time.Millisecond // that who answers waits for who asked
)

// Facts are what the Engine's owner knows of the peer at one moment.
type Facts struct {
	Reached bool          // frames get through, by whatever path, and the peer's build knows offers
	Direct  bool          // without relays
	RTT     time.Duration // of the present path
}

// relayed reports whether a direct path is to be found, and offers get through.
func (f Facts) relayed() bool { return f.Reached && !f.Direct }

// Do is what an Engine asks its owner to do. The zero value: nothing.
type Do struct {
	Send *encap.Offer     // to the peer, by the present path
	Call []netip.AddrPort // send a probe to each
}

// phase is where a round stands.
type phase uint8

const (
	resting  phase = iota // until next
	offering              // the answer is awaited until next
	calling               // the next call is at next
)

// Config is what an Engine is made of.
type Config struct {
	Leads    bool // this node begins the rounds
	Round    func() uint64
	Jitter   func(time.Duration) time.Duration // a random duration in [0, d)
	Callable func(netip.AddrPort) bool         // may the endpoint be called at all?
}

// Engine is the exchange of candidates with one peer.
type Engine struct {
	cfg    Config
	ours   []encap.Candidate
	theirs []encap.Candidate
	facts  Facts

	phase phase
	next  time.Time // when phase goes on; zero: never by itself
	round uint64    // the present one, or the last
	tries int       // offers of this round
	left  int       // calls of this round
	pause time.Duration
	open  time.Time // before it no round that the peer begins is taken
	fails int       // rounds without a direct path, in a row
}

// NewEngine makes an Engine that knows nothing yet.
func NewEngine(cfg Config) *Engine { return &Engine{cfg: cfg, pause: leastPause} }

// Due is when Step has something to do; zero: not before something changes.
func (e *Engine) Due() time.Time { return e.next }

// SetOurs gives the Engine our own candidates, in the order of their worth; those beyond encap.MaxCandidates are not told.
func (e *Engine) SetOurs(now time.Time, list []encap.Candidate) {
	list = list[:min(len(list), encap.MaxCandidates)]
	if slices.Equal(list, e.ours) {
		return
	}
	e.ours = slices.Clone(list)
	e.renew(now)
}

// renew lets a round begin soon: something is new.
func (e *Engine) renew(now time.Time) {
	e.pause, e.fails = leastPause, 0
	if e.facts.relayed() && e.phase == resting {
		e.next = now.Add(e.cfg.Jitter(firstWithin))
	}
}

// Step does what is due. It may be called at any time; f may be new.
func (e *Engine) Step(now time.Time, f Facts) Do {
	e.learn(now, f)
	if e.next.IsZero() || now.Before(e.next) {
		return Do{}
	}
	switch e.phase {
	case calling:
		return e.call(now)
	case offering:
		if e.tries >= offerTries {
			e.end(now)
			return Do{}
		}
	default:
		e.round, e.tries = e.cfg.Round(), 0
	}
	e.phase, e.next = offering, now.Add(offerGap)
	e.tries++
	return Do{Send: &encap.Offer{Round: e.round, List: e.ours}}
}

// learn takes what is known of the peer now.
func (e *Engine) learn(now time.Time, f Facts) {
	was := e.facts
	e.facts = f
	switch {
	case !f.relayed():
		e.phase, e.next = resting, time.Time{}
	case !was.relayed():
		e.renew(now)
		if !e.cfg.Leads { // the other one begins; if it does not, this one does
			e.next = now.Add(leastPause)
		}
	}
}

// Take takes an offer of the peer, or its answer to ours.
func (e *Engine) Take(now time.Time, o encap.Offer, f Facts) Do {
	e.learn(now, f)
	if !f.relayed() { // there is a path that is better than any that could be found, or nobody to answer
		return Do{}
	}
	if o.Answer {
		if e.phase == offering && o.Round == e.round {
			e.begin(now, o.List)
		}
		return Do{}
	}
	again := o.Round == e.round && e.phase == calling
	if !again {
		if now.Before(e.open) {
			return Do{}
		}
		e.round, e.open = o.Round, now.Add(leastPause)
		e.begin(now.Add(min(f.RTT/2, mostAhead)), o.List)
	}
	return Do{Send: &encap.Offer{Round: o.Round, Answer: true, List: e.ours}}
}

// begin begins the calls of a round at a time.
func (e *Engine) begin(at time.Time, list []encap.Candidate) {
	e.theirs = e.theirs[:0]
	for _, c := range list[:min(len(list), encap.MaxCandidates)] {
		known := slices.ContainsFunc(e.theirs, func(x encap.Candidate) bool { return x.At == c.At })
		if !known && e.cfg.Callable(c.At) {
			e.theirs = append(e.theirs, c)
		}
	}
	slices.SortStableFunc(e.theirs, func(a, b encap.Candidate) int { return int(a.Kind) - int(b.Kind) })
	e.phase, e.next, e.left = calling, at, callCount
}

// call is one call of a round, or its end.
func (e *Engine) call(now time.Time) Do {
	if e.left == 0 || len(e.theirs) == 0 {
		e.end(now)
		return Do{}
	}
	e.left--
	e.next = now.Add(callGap)
	return Do{Call: endpoints(e.theirs)}
}

func endpoints(list []encap.Candidate) []netip.AddrPort {
	at := make([]netip.AddrPort, 0, len(list))
	for _, c := range list {
		at = append(at, c.At)
	}
	return at
}

// end ends a round, and says when the next one may be.
func (e *Engine) end(now time.Time) {
	e.phase = resting
	e.fails++
	e.next = now.Add(e.pause + e.cfg.Jitter(e.pause/4))
	if !e.cfg.Leads { // the other one begins; if it does not, this one does
		e.next = e.next.Add(e.pause)
	}
	e.pause = min(2*e.pause, longestPause)
}

// Report is what an Engine knows, for people.
type Report struct {
	Theirs []encap.Candidate // what the peer named last, and may be called
	Fails  int               // rounds in a row that found no direct path
	Next   time.Time         // when the next round may begin; zero: not known
}

// Report says what is known.
func (e *Engine) Report() Report {
	r := Report{Theirs: slices.Clone(e.theirs), Fails: e.fails}
	if e.phase == resting {
		r.Next = e.next
	}
	return r
}
