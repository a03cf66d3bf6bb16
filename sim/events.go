package sim

import "time"

// event is something that happens at a time. Those of one time happen in the order in which they were made.
type event struct {
	at  time.Time
	seq uint64
	do  func()
}

// before reports whether the event happens before another one.
func (e *event) before(o *event) bool { return e.at.Before(o.at) || e.at.Equal(o.at) && e.seq < o.seq }

// events are what is still to happen, as a heap in which each event has up to heapWidth behind it.
type events struct {
	list []event
	seq  uint64
}

// heapWidth makes the heap of a million events half as deep as a binary one: each level is a miss of the CPU's cache.
const heapWidth = 4

// add lets something happen.
func (e *events) add(at time.Time, do func()) {
	e.seq++
	e.list = append(e.list, event{at, e.seq, do})
	for i := len(e.list) - 1; i > 0; {
		parent := (i - 1) / heapWidth
		if e.list[parent].before(&e.list[i]) {
			return
		}
		e.list[i], e.list[parent] = e.list[parent], e.list[i]
		i = parent
	}
}

// next takes the first event out if it is not after a time.
func (e *events) next(until time.Time) (event, bool) {
	if len(e.list) == 0 || e.list[0].at.After(until) {
		return event{}, false
	}
	first, last := e.list[0], len(e.list)-1
	e.list[0], e.list[last] = e.list[last], event{}
	e.list = e.list[:last]
	e.sink()
	return first, true
}

// sink moves the event at the root to where it belongs.
func (e *events) sink() {
	for i := 0; ; {
		least := i
		for c := heapWidth*i + 1; c < min(heapWidth*i+1+heapWidth, len(e.list)); c++ {
			if e.list[c].before(&e.list[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		e.list[i], e.list[least] = e.list[least], e.list[i]
		i = least
	}
}
