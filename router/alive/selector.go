package alive

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
)

// Selector compares the endpoints of a peer while its direct link works, so that the link leads to the best and not to the one that
// happened to answer first.
//
// Now and then a round sends three probes to each, all at the same moments. Better is what has a round trip that is less by a quarter and
// by 2 ms; of those that are about as near, one without a NAT on the way, then one of IPv4, whose headers are 20 bytes shorter, then
// one that is private. What was better in three rounds in a row, of which the later ones follow soon, is moved to; for a minute
// after that there is no move, and for twice as long after each that follows soon.
//
// Both ends measure, but one decides: it asks the other end to move first, by a probe that says so, and goes there when that is answered.
// What the other end measures shows the first one where it is reached as well.
type Selector struct {
	// Idle says that the link has carried nothing for a minute: rounds that nothing hints at are as seldom then as where this end does not
	// decide. The owner sets it before Step and Due.
	Idle bool

	decides bool
	jitter  func(time.Duration) time.Duration // a random duration in [0, d)

	ways    []way            // the present one first; empty: none is known yet
	claimed []netip.AddrPort // as Set had them
	next    time.Time        // when a round begins
	regular bool             // only because time has passed
	ended   time.Time        // when the last one did
	round   round
	ask     question

	hold  time.Duration // after the last move
	moved time.Time     // when that was
}

// round is one in which probes are out. The zero value is none.
type round struct {
	began, last time.Time
	ids         []uint64 // of the probes, one for all ways at each moment
	sent        []time.Time
	probes      int
}

// question asks the other end to move. The zero value is none.
type question struct {
	to    encap.Endpoint
	why   string
	ids   []uint64
	last  time.Time
	times int
}

const (
	compareEvery  = time.Minute            // from round to round, where this end decides
	compareSeldom = 5 * time.Minute        // where it does not, and of an idle link: with 99 peers 0.4 kB/s, and not 1.3
	compareSoon   = time.Second            // after something has changed
	compareAgain  = 5 * time.Second        // after a round in which another way was better
	compareProbes = 3                      // in a round, to each
	compareEnough = 2                      // answers that a way needs to be compared
	compareGap    = 100 * time.Millisecond // between two of them
	compareWait   = time.Second            // for answers to the last
	compareMargin = 2 * time.Millisecond
	compareWins   = 3
	compareHold   = time.Minute
	compareMost   = time.Hour // of compareHold, doubled
	maxUnclaimed  = 2         // endpoints that the peer does not claim
	askGap        = 200 * time.Millisecond
	askTimes      = 5
)

// CarriedLately is how long a link that carried something is not idle to a Selector.
const CarriedLately = compareEvery

// NewSelector makes a Selector. Exactly one of two ends decides.
func NewSelector(decides bool, jitter func(time.Duration) time.Duration) Selector {
	return Selector{decides: decides, jitter: jitter}
}

// Do is what is to be done.
type Do struct {
	Probe []encap.Endpoint // send a probe that compares to each, all with the id that Sent is told
	Ask   encap.Endpoint   // ask the peer by a probe to move there, with the id that Asked is told; the zero value: do not
}

// Move is one that the other end has made already.
type Move struct {
	To         encap.Endpoint
	Translated bool   // addresses of ours are, on the way
	Why        string // in words
}

// Set says where the direct link leads, and at which endpoints the peer might be reached. The slice is kept, and must not be changed.
func (s *Selector) Set(now time.Time, present encap.Endpoint, claimed []netip.AddrPort) {
	same := len(s.ways) > 0 && sameWay(s.ways[0].to, present)
	if same && slices.Equal(s.claimed, claimed) {
		s.ways[0].to = present
		return
	}
	old := s.ways
	s.claimed = claimed
	s.ways = []way{known(old, present)}
	for _, at := range claimed {
		if at != present.Addr {
			s.ways = append(s.ways, known(old, encap.Endpoint{Addr: at}))
		}
	}
	s.keepUnclaimed(now, old)
	if !same {
		for i := range s.ways {
			s.ways[i].wins = 0
		}
	}
	s.round, s.ask = round{}, question{}
	s.next, s.regular = now.Add(compareSoon+s.jitter(compareSoon)), false
}

// known is what was known of a way, or a new one.
func known(ways []way, to encap.Endpoint) way {
	if i := find(ways, to); i >= 0 {
		w := ways[i]
		w.to, w.unclaimed = to, false
		return w
	}
	return way{to: to}
}

// find is the place of a way, by the address of ours as well where that is known; -1: it is not there.
func find(ways []way, to encap.Endpoint) int {
	if i := slices.IndexFunc(ways, func(w way) bool { return w.to == to }); i >= 0 {
		return i
	}
	return slices.IndexFunc(ways, func(w way) bool { return sameWay(w.to, to) })
}

// keepUnclaimed keeps ways that the peer does not claim, the one that was the present way among them, as long as they answered lately.
func (s *Selector) keepUnclaimed(now time.Time, old []way) {
	n := 0
	for i, w := range old {
		lately := i == 0 || now.Sub(w.seen) < 2*compareSeldom
		if n < maxUnclaimed && (i == 0 || w.unclaimed) && lately && find(s.ways, w.to) < 0 {
			w.unclaimed, w.seen = true, later(w.seen, i == 0, now)
			s.ways = append(s.ways, w)
			n++
		}
	}
}

// later is t, or now for a way that has just been in use.
func later(t time.Time, used bool, now time.Time) time.Time {
	if used {
		return now
	}
	return t
}

// Heard notes that a probe of the peer that compares came from there. The end that decides tries that way too, at once, for behind a NAT
// it may not be open for long.
func (s *Selector) Heard(now time.Time, from encap.Endpoint) {
	if !s.decides || len(s.ways) == 0 {
		return
	}
	i := find(s.ways, from)
	switch {
	case i < 0 && s.unclaimed() < maxUnclaimed:
		s.ways = append(s.ways, way{to: from, unclaimed: true, seen: now})
	case i <= 0 || !s.ways[i].unclaimed && s.ways[i].silent.IsZero():
		return
	}
	if !s.running() && now.Sub(s.ended) >= compareAgain {
		s.next, s.regular = now, false
	}
}

func (s *Selector) unclaimed() (n int) {
	for i := range s.ways {
		if s.ways[i].unclaimed {
			n++
		}
	}
	return n
}

func (s *Selector) running() bool { return s.round.probes > 0 || s.ask.times > 0 }

// Step returns what to do now.
func (s *Selector) Step(now time.Time) Do {
	if len(s.ways) < 2 || now.Before(s.Due()) {
		return Do{}
	}
	switch {
	case s.ask.times > 0:
		return s.stepAsk(now)
	case s.round.probes == 0:
		return s.begin(now)
	case s.round.probes < compareProbes:
		return s.probe(now)
	}
	return s.judge(now)
}

// Due is when Step will have something to do; zero: there is nothing to compare.
func (s *Selector) Due() time.Time {
	switch {
	case len(s.ways) < 2:
		return time.Time{}
	case s.ask.times >= askTimes:
		return s.ask.last.Add(compareWait)
	case s.ask.times > 0:
		return s.ask.last.Add(askGap)
	case s.round.probes == 0 && s.regular && s.Idle:
		return s.next.Add(compareSeldom - compareEvery)
	case s.round.probes == 0:
		return s.next
	case s.round.probes < compareProbes:
		return s.round.last.Add(compareGap)
	}
	return s.round.last.Add(compareWait)
}

func (s *Selector) begin(now time.Time) Do {
	s.round = round{began: now}
	s.ways = slices.DeleteFunc(s.ways, func(w way) bool { return w.unclaimed && now.Sub(w.seen) >= 2*compareSeldom })
	for i := range s.ways {
		s.ways[i].answers = 0
	}
	return s.probe(now)
}

func (s *Selector) probe(now time.Time) (do Do) {
	s.round.probes++
	s.round.last = now
	for i := range s.ways {
		do.Probe = append(do.Probe, s.ways[i].to)
	}
	return do
}

// Sent notes the id of the probes that Step wanted.
func (s *Selector) Sent(now time.Time, id uint64) {
	s.round.ids, s.round.sent = append(s.round.ids, id), append(s.round.sent, now)
}

// Compares reports whether a probe of this id belongs to the present round.
func (s *Selector) Compares(id uint64) bool { return slices.Contains(s.round.ids, id) }

// Answered takes the answer to a probe that compares, by the way that it came. Where translated is set, addresses of ours are on this way.
func (s *Selector) Answered(now time.Time, id uint64, from encap.Endpoint, translated bool) {
	probe, i := slices.Index(s.round.ids, id), find(s.ways, from)
	if probe < 0 || i < 0 {
		return
	}
	w, took := &s.ways[i], now.Sub(s.round.sent[probe])
	if w.answers == 0 || took < w.best {
		w.best = took
	}
	w.answers++
	w.translated = translated
}

// judge ends a round.
func (s *Selector) judge(now time.Time) Do {
	var best *way
	var in quality
	present := &s.ways[0]
	for i := range s.ways {
		w := &s.ways[i]
		w.settle(s.round.began, now)
		q := w.beats(present)
		if w.wins++; q == 0 {
			w.wins = 0
		}
		if w.wins >= compareWins && (best == nil || w.beats(best) != 0) {
			best, in = w, q
		}
	}
	s.round, s.ended = round{}, now
	pause, regular := s.pause(now)
	s.next, s.regular = now.Add(pause), regular
	if best == nil || !s.decides || now.Before(s.held()) {
		return Do{}
	}
	s.ask = question{to: best.to, why: best.reason(in, present)}
	return s.stepAsk(now)
}

// held is until when there is no move.
func (s *Selector) held() time.Time { return s.moved.Add(s.hold) }

// pause is how long after a round the next one begins; regular: on a link that is not idle.
func (s *Selector) pause(now time.Time) (d time.Duration, regular bool) {
	if !s.decides {
		return compareSeldom + s.jitter(compareSeldom/4), false
	}
	ahead := slices.ContainsFunc(s.ways, func(w way) bool { return w.wins > 0 && w.wins < compareWins })
	if ahead && !now.Before(s.held()) {
		return compareAgain, false
	}
	return compareEvery + s.jitter(compareEvery/4), true
}

// stepAsk asks again, or gives up.
func (s *Selector) stepAsk(now time.Time) Do {
	if s.ask.times >= askTimes {
		s.ask = question{}
		return Do{}
	}
	s.ask.times++
	s.ask.last = now
	return Do{Ask: s.ask.to}
}

// Asked notes the id of the probe that Step wanted to ask with.
func (s *Selector) Asked(id uint64) { s.ask.ids = append(s.ask.ids, id) }

// Agreed takes the answer to a probe, and reports whether it is one of those that asked: then the other end has moved, and this one is to.
func (s *Selector) Agreed(now time.Time, id uint64) (m Move, ok bool) {
	if !slices.Contains(s.ask.ids, id) {
		return Move{}, false
	}
	return s.agree(now), true
}

// Followed takes any other frame, and reports whether it shows that the other end has moved as it was asked to.
func (s *Selector) Followed(now time.Time, from encap.Endpoint) (m Move, ok bool) {
	if s.ask.times == 0 || !sameWay(s.ask.to, from) {
		return Move{}, false
	}
	return s.agree(now), true
}

func (s *Selector) agree(now time.Time) Move {
	m := Move{To: s.ask.to, Why: s.ask.why}
	if i := find(s.ways, m.To); i >= 0 {
		m.Translated = s.ways[i].translated
	}
	if s.hold == 0 || now.Sub(s.moved) >= 10*s.hold {
		s.hold = compareHold / 2
	}
	s.hold, s.moved, s.ask = min(2*s.hold, compareMost), now, question{}
	return m
}

// Results are what is known of each endpoint, the present one first. A peer with one endpoint is not measured.
func (s *Selector) Results() []Result {
	if len(s.ways) < 2 {
		return nil
	}
	list := make([]Result, 0, len(s.ways))
	for i := range s.ways {
		list = append(list, s.ways[i].result())
	}
	list[0].Present = true
	return list
}
