package router

import (
	"time"

	"github.com/weftnet/weft/router/alive"
)

// callQueue holds the peers that are to be called by a handshake, until the window has room for it. It belongs to the control goroutine.
type callQueue struct {
	window  alive.Window
	waiting map[*peer]struct{}
}

func newCallQueue(t alive.Timing) callQueue {
	return callQueue{window: alive.NewWindow(t), waiting: map[*peer]struct{}{}}
}

// remove takes a peer out that has become up, or is none any more.
func (q *callQueue) remove(p *peer) {
	delete(q.waiting, p)
	q.window.End(p.id)
}

// answered notes the end of a handshake of ours; began: zero: when it began is not known.
func (q *callQueue) answered(p *peer, began, now time.Time) {
	q.window.End(p.id)
	if !began.IsZero() {
		q.window.Answered(began, now)
	}
}

// ready is when a peer may be called: not while its answer to an earlier call may come, nor while it may confirm an answer of ours.
func (q *callQueue) ready(p *peer, now time.Time) time.Time {
	last := p.answered
	if p.preparing > 0 {
		return now.Add(longestSleep) // its end makes control act
	}
	if p.series > 0 {
		last = later(last, p.initiated)
	}
	if last.IsZero() {
		return now
	}
	return last.Add(q.window.Timeout(now))
}

// nextCall is the peer that is called next; nil: there is none, or no room. or is when to ask again, where nothing else happens.
func (r *Router) nextCall(now time.Time) (next *peer, or time.Time) {
	q := &r.callQueue
	or = now.Add(longestSleep)
	if len(q.waiting) == 0 {
		return nil, or
	}
	if !q.window.Room(now) {
		return nil, q.window.Next(now)
	}
	for p := range q.waiting {
		switch ready := q.ready(p, now); {
		case ready.After(now):
			or = sooner(or, ready)
		case next == nil || r.comesBefore(p, next):
			next = p
		}
	}
	return next, or
}

// comesBefore decides whom of two to call first: who has been called less often since the link was lost, then whom we rather than it call,
// then who was called longer ago. So of two nodes that both have many to call one calls, mostly, and has an answer before the
// other one's turn comes; where few are to be called, nobody waits for that.
func (r *Router) comesBefore(p, q *peer) bool {
	switch {
	case p.series != q.series:
		return p.series < q.series
	case r.decides(p) != r.decides(q):
		return r.decides(p)
	}
	return p.called.Before(q.called)
}

// stepCalls calls who waits, as far as there is room, and returns how long there will be none.
func (r *Router) stepCalls(now time.Time) time.Duration {
	for {
		p, or := r.nextCall(now)
		if p == nil {
			return max(or.Sub(now), time.Millisecond)
		}
		delete(r.callQueue.waiting, p)
		if p.hasSession() { // through relays, meanwhile
			r.askCandidates(p, now)
		} else {
			r.callNow(p, now)
		}
	}
}

// callNow begins a handshake with a peer: the first of a series with the best candidate alone, so that it is the path wherever it works;
// then with all at once and through relays, and the one that answers first becomes the path.
func (r *Router) callNow(p *peer, now time.Time) {
	candidates := r.callees(p, now)
	first := p.series == 0
	p.series++
	if first && len(candidates) > 1 {
		candidates = candidates[:1]
	}
	if p.route.Load() != nil && (!first || len(candidates) == 0) {
		candidates = append(candidates, p.relayedAt)
	}
	if len(candidates) == 0 {
		return
	}
	if first && !p.away {
		r.expect(p)
	}
	r.callQueue.window.Begin(p.id, now)
	r.initiate(p, candidates, now)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
