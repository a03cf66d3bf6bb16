package router

import (
	"time"

	"github.com/weftnet/weft/router/alive"
)

// isMeasured reports whether link state wants to know how good the direct link to a peer is.
func (p *peer) isMeasured() bool { return p.link.Up() && p.knowsRelays() }

// measureAnew has a direct link measured anew that leads to another endpoint now. Until the first answer from there the round trip of before
// counts: without any, a burst over a long link would end before an answer can be there.
func (p *peer) measureAnew() {
	p.anew, p.fresh = true, p.probes.last+1
	p.meter.Moved()
}

// loss is the share of the probes of the path that were lost lately; less than 0: there is no path, or it is not measured. Along relays it is
// that of the probes of the watch, which is the only one there is of both directions.
func (p *peer) loss() float64 {
	switch {
	case p.isRelayed():
		return p.relay.meter.Loss()
	case p.isMeasured():
		return p.meter.Loss()
	}
	return -1
}

// measure lets the meter of a peer's direct link act.
func (r *Router) measure(p *peer, now, carried time.Time) {
	r.countLosses(&p.meter, p.rtt, now) // of any link: its watch sends probes, too
	if p.isMeasured() && !r.lag.isBehind() && !now.Before(p.meter.Due(now, carried)) {
		r.probeDirect(p, now)
	}
}

// countLosses lets a meter count the probes as lost whose answers are overdue, unless they may be here, or have been dropped here.
func (r *Router) countLosses(m *alive.Meter, rtt time.Duration, now time.Time) {
	if r.lag.isBehind() {
		m.Disregard()
		return
	}
	m.Expire(now, rtt)
}
