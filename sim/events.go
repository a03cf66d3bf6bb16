package sim

import (
	"container/heap"
	"time"
)

// event is something that happens at a time. Those of one time happen in the order in which they were made.
type event struct {
	at  time.Time
	seq uint64
	do  func()
}

// events are what is still to happen, as a heap.
type events struct {
	list []event
	seq  uint64
}

// add lets something happen.
func (e *events) add(at time.Time, do func()) {
	e.seq++
	heap.Push(e, event{at, e.seq, do})
}

// next takes the first event out if it is not after a time.
func (e *events) next(until time.Time) (event, bool) {
	if len(e.list) == 0 || e.list[0].at.After(until) {
		return event{}, false
	}
	return heap.Pop(e).(event), true
}

// Len implements heap.Interface, as the rest does.
func (e *events) Len() int { return len(e.list) }

func (e *events) Less(i, j int) bool {
	a, b := &e.list[i], &e.list[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.seq < b.seq
}

func (e *events) Swap(i, j int) { e.list[i], e.list[j] = e.list[j], e.list[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) { e.list = append(e.list, x.(event)) }

// Pop implements heap.Interface.
func (e *events) Pop() any {
	last := e.list[len(e.list)-1]
	e.list[len(e.list)-1] = event{}
	e.list = e.list[:len(e.list)-1]
	return last
}
