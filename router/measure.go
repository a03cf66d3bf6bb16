package router

import "time"

// isMeasured reports whether link state wants to know how good the direct link to a peer is.
func (p *peer) isMeasured() bool { return p.link.Up() && p.knowsRelays() }

// measure lets the meter of a peer's direct link act.
func (r *Router) measure(p *peer, now, carried time.Time) {
	if !p.isMeasured() {
		return
	}
	p.meter.Expire(now, max(r.timing.Answer, 3*p.rtt))
	if !now.Before(p.meter.Due(now, carried)) {
		r.probeDirect(p, now)
	}
}
