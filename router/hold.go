package router

import (
	"sync/atomic"
	"time"
)

// hold keeps packets in the device, where they wait in the kernel's queue, while there is nobody to send them to: from the
// start until the first paths are there, and at the end of a run after which another goes on with the device.
//
// Lanes read on. The rest belongs to the control goroutine, but for released.
type hold struct {
	on       atomic.Bool
	released chan struct{} // closed when the hold of the start is over
	over     bool          // likewise
	tabled   bool          // there was a Table
	until    time.Time     // when the hold of the start is over in any case
}

// begin starts the hold of the start.
func (h *hold) begin(most time.Duration) {
	h.released = make(chan struct{})
	if most > 0 {
		h.on.Store(true)
		return
	}
	h.end()
}

// end is the end of the hold of the start.
func (h *hold) end() {
	h.over = true
	h.on.Store(false)
	close(h.released)
}

// stepHold ends the hold of the start when every peer has a path, or when its time is over. It returns how long control may
// sleep.
func (r *Router) stepHold(now time.Time) time.Duration {
	h := &r.hold
	if h.over {
		return longestSleep
	}
	if left := h.until.Sub(now); left > 0 && !r.settled() {
		return left
	}
	h.end()
	r.wake()
	return longestSleep
}

// settled reports whether the router knows its peers and has a path to each.
func (r *Router) settled() bool {
	for _, p := range r.peers {
		if !p.isUp() {
			return false
		}
	}
	return r.hold.tabled
}

// awaitRelease waits until the hold of the start is over; false: the router has stopped. It is for the loops of devices that
// cannot be polled; the others look at on.
func (l *lane) awaitRelease() bool {
	l.deviceBeat.rest()
	defer l.deviceBeat.work()
	select {
	case <-l.r.hold.released:
		return true
	case <-l.r.done:
		return false
	}
}
