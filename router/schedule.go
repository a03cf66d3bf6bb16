package router

import (
	"container/heap"
	"time"
)

// schedule says when each peer is to be stepped next: a heap by that time. So a frame costs the step of the peer that it concerns,
// however many there are. The control goroutine owns it.
//
// What changes link, session, backlog or timing of a peer touches the peer. What lanes change without a word (when a peer was heard,
// that its path carries traffic) is noticed after longestSleep at most.
type schedule struct {
	heap       slots
	generation uint64    // of the link state that touchRerouted has seen
	reroute    time.Time // when it looks again, at the earliest
}

// slot is a peer's place in the schedule.
type slot struct {
	peer *peer
	due  time.Time // zero: at once
	at   int       // in the heap
}

func (s *schedule) add(p *peer) {
	p.slot.peer = p
	heap.Push(&s.heap, &p.slot)
}

func (s *schedule) remove(p *peer) { heap.Remove(&s.heap, p.slot.at) }

// set changes when a peer is due.
func (s *schedule) set(p *peer, due time.Time) {
	p.slot.due = due
	heap.Fix(&s.heap, p.slot.at)
}

// first is the peer that is due first; nil: there are none.
func (s *schedule) first() *peer {
	if len(s.heap) == 0 {
		return nil
	}
	return s.heap[0].peer
}

// touchAll makes all peers due at once: equal times are in any order.
func (s *schedule) touchAll() {
	for _, x := range s.heap {
		x.due = time.Time{}
	}
}

// slots implement heap.Interface.
type slots []*slot

func (h slots) Len() int           { return len(h) }
func (h slots) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h slots) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push implements heap.Interface; x is a *slot.
func (h *slots) Push(x any) {
	s := x.(*slot)
	s.at = len(*h)
	*h = append(*h, s)
}

// Pop implements heap.Interface.
func (h *slots) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return s
}

// touch makes a peer be stepped in this turn of the control goroutine. One that was forgotten is not.
func (r *Router) touch(p *peer) {
	if r.peers[p.id] == p {
		r.schedule.set(p, time.Time{})
	}
}

// rerouteCost is how long nothing is made of news in link state, for each peer whose choice has heard of the latest: so that where all is
// news, as when many nodes start together, a node does not spend its time on choosing anew for each of them.
const (
	rerouteCost = 5 * time.Millisecond
	rerouteMost = time.Second
)

// touchRerouted makes the peers be stepped that are not reached straight, if ways through relays may have changed: they choose at once. It
// returns how long there will be nothing to do.
func (r *Router) touchRerouted(now time.Time) time.Duration {
	s, latest := &r.schedule, r.links.engine.Generation()
	if latest == s.generation {
		return longestSleep
	}
	if left := s.reroute.Sub(now); left > 0 {
		return left
	}
	s.generation = latest
	count := 0
	for _, p := range r.peers {
		if !p.isUp() || p.isRelayed() {
			r.touch(p)
			count++
		}
	}
	s.reroute = now.Add(min(time.Duration(count)*rerouteCost, rerouteMost))
	return longestSleep
}
