package router

import (
	"sync/atomic"
	"time"
)

// pace allows events at an even rate, and after a pause some at once (ITU-T I.371, generic cell rate algorithm). It may be used
// from any goroutine.
type pace struct {
	interval int64        // nanoseconds from one event to the next
	ahead    int64        // nanoseconds that an event may come before its time
	next     atomic.Int64 // clock at which the next event is due
}

// set allows rate events in a second, and burst at once.
func (p *pace) set(rate, burst int) {
	p.interval = int64(time.Second) / int64(rate)
	p.ahead = int64(burst-1) * p.interval
}

// room reports whether one event more could happen now.
func (p *pace) room(clock int64) bool { return p.next.Load()-clock <= p.ahead }

// take reports whether one event more may happen now.
func (p *pace) take(clock int64) bool {
	for {
		next := p.next.Load()
		due := max(next, clock)
		if due-clock > p.ahead {
			return false
		}
		if p.next.CompareAndSwap(next, due+p.interval) {
			return true
		}
	}
}
