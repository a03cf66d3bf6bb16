package router

import "time"

// isMeasured reports whether link state wants to know how good the direct link to a peer is.
func (p *peer) isMeasured() bool { return p.link.Up() && p.knowsRelays() }

// measure lets the meter of a peer's direct link act.
func (r *Router) measure(p *peer, now, carried time.Time) {
	p.meter.Expire(now, max(r.timing.Answer, 3*p.rtt)) // of any link: its watch sends probes, too
	if p.isMeasured() && !now.Before(p.meter.Due(now, carried)) {
		r.probeDirect(p, now)
	}
}
