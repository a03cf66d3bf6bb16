package impair

import (
	"container/heap"
	"sync"
	"time"
)

// late delivers frames at their time, those of the same time in the order in which they came.
type late struct {
	deliver func(frame []byte)
	wake    chan struct{} // the earliest frame is another one
	quit    chan struct{}

	mu     sync.Mutex // guards what follows
	frames dueFrames
	count  uint64
}

func newLate(deliver func([]byte)) *late {
	return &late{deliver: deliver, wake: make(chan struct{}, 1), quit: make(chan struct{})}
}

// add takes a frame over.
func (l *late) add(frame []byte, due time.Time) {
	l.mu.Lock()
	l.count++
	heap.Push(&l.frames, dueFrame{due, l.count, frame})
	first := l.frames[0].number == l.count
	l.mu.Unlock()
	if !first {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run delivers until quit is closed; what is not due then is dropped.
func (l *late) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		frame, wait, some := l.next(time.Now())
		if frame != nil {
			l.deliver(frame)
			continue
		}
		var due <-chan time.Time
		if some {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-due:
		case <-l.wake:
		case <-l.quit:
			return
		}
	}
}

// next takes the earliest frame if it is due; otherwise it says how long to wait for it, if there is one.
func (l *late) next(now time.Time) (frame []byte, wait time.Duration, some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.frames) == 0 {
		return nil, 0, false
	}
	if wait := l.frames[0].due.Sub(now); wait > 0 {
		return nil, wait, true
	}
	return heap.Pop(&l.frames).(dueFrame).frame, 0, true
}
