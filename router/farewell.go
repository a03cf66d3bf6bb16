package router

import (
	"time"

	"github.com/weftnet/weft/encap"
)

// leavePatience is how long a pause waits, in all, for the loops to leave the device; then it goes on without them.
const leavePatience = 100 * time.Millisecond

// Pause makes the end of Run a pause instead of a goodbye: another process goes on with device and port at once. Peers keep
// path and routes, send on, and ask after a moment; packets that come to the device wait in it. It may be called from any
// goroutine.
func (r *Router) Pause() { r.pausing.Store(true) }

// farewell tells all peers that this node stops.
func (r *Router) farewell() {
	if r.pausing.Load() {
		r.pause()
		return
	}
	r.goodbye()
}

// pause leaves what comes to the device from now on to the next run, and tells the peers.
func (r *Router) pause() {
	r.hold.on.Store(true)
	r.wake()
	dev := r.dev.Load()
	end := time.Now().Add(leavePatience)
	for _, l := range r.lanes {
		if l.polls(dev) != nil {
			l.awaitLeft(end)
		}
	}
	for _, p := range r.peers {
		if path := p.path.Load(); path != nil {
			r.sendControl(p, encap.Pause, nil, path.endpoint)
		}
	}
}

// awaitLeft waits until the loop that serves the device has left it, but not beyond end, and reports whether it has. A loop
// that hangs must not make the stop hang. It asks again and again: nothing tells when a mutex becomes free.
func (l *lane) awaitLeft(end time.Time) bool {
	for !l.sending.TryLock() {
		if !time.Now().Before(end) {
			return false
		}
		time.Sleep(100 * time.Microsecond)
	}
	l.sending.Unlock()
	return true
}

// takeFarewell takes a goodbye or a pause. A peer that pauses is asked soon whether it is back: as if something had been sent
// that is mostly answered. Until then packets to it wait here: its next run could not open their frames.
func (r *Router) takeFarewell(p *peer, kind encap.ControlKind) {
	if kind == encap.Goodbye {
		r.away(p, "it said goodbye")
		return
	}
	p.pausing = true
	r.suspend(p)
	p.watch().Hope(r.now())
}
