package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// TraceHop is one node on the way to a peer, and what it answered.
type TraceHop struct {
	Number  trust.Number
	ID      trust.Fingerprint // zero: no member, or several, have that number
	Name    string
	Unasked string          // why it was not asked; empty: it was
	Asked   int             // questions that were sent
	Times   []time.Duration // from each question that was answered to its answer, in the order of the answers
	Clock   time.Time       // when the last such question came, by the node's clock
	From    string          // name of the relay by which it came; empty: straight
	Seen    netip.AddrPort  // where it came from, if it came straight
	Back    []string        // names of the relays that packets to this node pass from there; none: they go straight
	Verdict string          // drop reason that a packet would meet there, as the node says; empty: none
}

const (
	traceRounds = 3
	traceGap    = 50 * time.Millisecond // between two rounds
	traceWait   = time.Second           // after the last one for answers, or twice the round trip of the path
	traceLong   = 3 * time.Second       // at most
	maxTraces   = 16                    // that run at once
)

// ErrTraces says that too many traces run.
var ErrTraces = errors.New("router: too many traces run at once")

// traces are those that run. The control goroutine owns it.
type traces struct {
	running int
	asked   map[uint64]traceQuestion // those that are not answered, by id
}

type traceQuestion struct {
	of *tracing
	to *traceStop
	at time.Time
}

// tracing is a trace that runs. The control goroutine owns it from begin to end.
type tracing struct {
	src, dst netip.Addr
	stops    []*traceStop
	open     int           // questions that are not answered
	sent     bool          // all rounds were
	patience time.Duration // for answers to the last of them
	over     chan struct{} // closed when all questions were sent, and are answered
}

// traceStop is a node on the way, and how questions get there.
type traceStop struct {
	TraceHop
	peer *peer        // nil: there is none of that number
	by   *route       // along the relays before it; nil: straight
	next trust.Number // of the node behind it; 0: it is the last
}

// Trace asks each node on the way to a peer for an answer, three times: the relays of its path in their order, and the peer. While it is
// down, those of the route that stands ready, or the peer alone where it was reached last. src and dst are those of a packet that
// the peer is to judge, or neither is valid. It takes 3.1 s at most. The error is ErrPeerDown for a peer that is not known, ErrTraces,
// ErrStopped, or that of ctx.
func (r *Router) Trace(ctx context.Context, to trust.Fingerprint, src, dst netip.Addr) ([]TraceHop, error) {
	t := &tracing{src: src, dst: dst, over: make(chan struct{})}
	var refused error
	if err := r.call(func() { refused = r.beginTrace(t, to) }); err != nil {
		return nil, err
	}
	if refused != nil {
		return nil, refused
	}
	err := r.runTrace(ctx, t)
	if stopped := r.call(func() { r.endTrace(t) }); stopped != nil || err != nil {
		return nil, errors.Join(err, stopped)
	}
	hops := make([]TraceHop, 0, len(t.stops))
	for _, s := range t.stops {
		hops = append(hops, s.TraceHop)
	}
	return hops, nil
}

// beginTrace finds the nodes on the way.
func (r *Router) beginTrace(t *tracing, to trust.Fingerprint) error {
	p := r.peers[to]
	switch {
	case p == nil:
		return ErrPeerDown
	case r.traces.running >= maxTraces:
		return ErrTraces
	}
	r.traces.running++
	if r.traces.asked == nil {
		r.traces.asked = map[uint64]traceQuestion{}
	}
	t.stops, t.patience = r.stopsTo(p), min(max(traceWait, 2*p.roundTrip()), traceLong)
	return nil
}

// endTrace forgets the questions that are not answered.
func (r *Router) endTrace(t *tracing) {
	r.traces.running--
	maps.DeleteFunc(r.traces.asked, func(_ uint64, q traceQuestion) bool { return q.of == t })
}

// stopsTo are the nodes on the way to a peer, itself the last.
func (r *Router) stopsTo(p *peer) []*traceStop {
	w := p.route.Load()
	if path := p.path.Load(); path != nil {
		w = path.route
	}
	if w == nil || w.first == nil {
		return []*traceStop{{TraceHop: TraceHop{Number: p.number, ID: p.id, Name: p.config.Name}, peer: p}}
	}
	var stops []*traceStop
	numbers, table := append(w.numbers(), p.number), r.table.Load()
	for i, n := range numbers {
		s := &traceStop{TraceHop: TraceHop{Number: n, Name: n.String()}, peer: table.numbers[n]}
		if i+1 < len(numbers) {
			s.next = numbers[i+1]
		}
		if s.peer != nil {
			s.ID, s.Name = s.peer.id, s.peer.config.Name
			if i > 0 {
				s.by, _ = r.newRoute(s.peer, w.first, numbers[1:i]...) // a part of a route is one
			}
		}
		stops = append(stops, s)
	}
	return stops
}

// runTrace sends the questions and waits for the answers.
func (r *Router) runTrace(ctx context.Context, t *tracing) error {
	for round := range traceRounds {
		if err := r.call(func() { r.askRound(t, round+1 == traceRounds) }); err != nil {
			return err
		}
		wait := traceGap
		if round+1 == traceRounds {
			wait = t.patience
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-t.over:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-r.done:
			timer.Stop()
			return ErrStopped
		}
		timer.Stop()
	}
	return nil
}

// askRound asks all nodes once.
func (r *Router) askRound(t *tracing, last bool) {
	for _, s := range t.stops {
		if why := r.askStop(t, s); why != "" && s.Asked == 0 {
			s.Unasked = why
		}
	}
	t.sent = last
	t.check()
}

// check ends the wait for answers if there are no more to come.
func (t *tracing) check() {
	if t.sent && t.open == 0 {
		t.sent = false
		close(t.over)
	}
}

// askStop asks one node, or says why not.
func (r *Router) askStop(t *tracing, s *traceStop) (why string) {
	if s.peer == nil {
		return "no member has this number, or several have"
	}
	keys := s.peer.session.Current()
	switch {
	case keys == nil:
		return "there is no session with it"
	case !keys.Traces():
		return "its build does not answer traces"
	}
	q := encap.TraceQuestion{ID: rand.Uint64() | 1, Next: s.next}
	if s.next == 0 {
		q.Src, q.Dst = t.src, t.dst
	}
	frame, err := keys.SealControl(r.frame[:0], encap.Trace, q.Append(nil))
	if err != nil {
		return "its keys are used up, and new ones are not made yet"
	}
	train, why := s.train(frame)
	if why != "" {
		return why
	}
	now := r.now()
	if r.sendTrains([]encap.Train{train}) == 0 {
		return "the kernel does not send the question"
	}
	s.Asked++
	t.open++
	r.traces.asked[q.ID] = traceQuestion{of: t, to: s, at: now}
	return ""
}

// train is a question on its way, or why there is none.
func (s *traceStop) train(frame []byte) (t encap.Train, why string) {
	if s.by == nil {
		at := s.peer.at()
		if !at.Addr.IsValid() {
			return t, "it has never been reached straight"
		}
		return controlTrain(frame, at), ""
	}
	t, ok := wrapBy(s.by, frame)
	if !ok {
		return t, fmt.Sprintf("%s, the first relay, is not reached straight", s.by.first.config.Name)
	}
	return t, ""
}

// takeTrace takes an answer. One that nobody waits for any more changes nothing.
func (r *Router) takeTrace(p *peer, body []byte) {
	a, err := encap.ParseTraceAnswer(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	q, waits := r.traces.asked[a.ID]
	if !waits || q.to.peer != p {
		return
	}
	delete(r.traces.asked, a.ID)
	h := &q.to.TraceHop
	h.Times = append(h.Times, r.now().Sub(q.at))
	h.Clock, h.Seen, h.Verdict, h.From, h.Back = time.UnixMilli(a.Clock), a.Seen, a.Verdict, "", nil
	if a.From != 0 {
		h.From = r.nameOf(a.From)
	}
	for _, n := range a.Back {
		h.Back = append(h.Back, r.nameOf(n))
	}
	q.of.open--
	q.of.check()
}

// nameOf is the name of a member, or its number.
func (r *Router) nameOf(n trust.Number) string {
	if p := r.table.Load().numbers[n]; p != nil {
		return p.config.Name
	}
	return n.String()
}
