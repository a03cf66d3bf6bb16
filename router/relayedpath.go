package router

import (
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/trust"
)

// A path through relays is watched from end to end: only the answer to a probe that went along the route in use shows that it works. Other
// frames of the peer may have come by another route, which the peer has chosen.

// stepRelayed lets the watch of a relayed path act.
func (r *Router) stepRelayed(p *peer, now, carried time.Time) {
	w := &p.relay
	r.countLosses(&w.meter, w.rtt, now)
	switch w.watch.Step(now, w.heard, carried, r.lag.patience(w.rtt)) {
	case alive.Probe:
		r.probeRelayed(p, now)
	case alive.Declare:
		if p.pausing {
			r.away(p, "it stopped, and has not come back")
			return
		}
		r.failRoute(p, now)
	}
	if w.watch.Spare && !p.pausing && w.watch.Ailing(now, r.lag.patience(w.rtt)) {
		r.failRoute(p, now)
	}
}

// probeRelayed sends a probe along the route in use.
func (r *Router) probeRelayed(p *peer, now time.Time) {
	id := p.probes.next(now)
	p.relay.meter.Sent(id, now)
	r.sendProbe(p, encap.Probe, p.relayedAt, id)
}

// failRoute notes that the route in use does not get frames to the peer and back. The choice hears of it at once.
func (r *Router) failRoute(p *peer, now time.Time) {
	w := &p.relay
	if w.failed.Has(w.names) {
		return
	}
	r.log.Debug("router.route.failed", "peer", p.config.Name, "via", r.viaText(w.names))
	w.failed.Add(w.names, now)
	if !slices.ContainsFunc(w.vain, func(names []trust.Fingerprint) bool { return slices.Equal(names, w.names) }) {
		w.vain = append(w.vain, w.names)
	}
	w.stale = true
}

// heardRelayed notes that an authenticated frame of p came through relays. It raises a peer that was down.
func (r *Router) heardRelayed(p *peer, from encap.Endpoint) {
	if from.Addr != p.relayedAt.Addr { // a relay says that it is another's
		return
	}
	p.relayed.Store(r.clock())
	if p.isUp() {
		r.wonder(p, r.now())
		return
	}
	if p.route.Load() == nil {
		return
	}
	p.relay.failed = nil
	if best, _, ok := r.links.engine.Routes(p.id); ok {
		r.goThrough(p, best, "it answered through relays", r.now())
		p.relay.stale = true
	}
}

// wonder asks a peer at once that is reached straight, and not heard so lately: that it sends through relays hints that its own watch has
// found the direct link dead. So both ends go the other way together, also where only one of them sends. While the path is relayed that hint
// means nothing, and a burst would keep the direct link from being gone back to.
func (r *Router) wonder(p *peer, now time.Time) {
	if !p.isRelayed() && p.link.Up() && now.Sub(r.at(p.heard.Load())) > r.timing.Busy && p.link.Doubt(now) == alive.Probe {
		r.probeDirect(p, now)
	}
}

// takeRelayedReply takes the answer to a probe that came through relays.
func (r *Router) takeRelayedReply(p *peer, id uint64, rtt time.Duration, now time.Time) {
	w := &p.relay
	if !p.isRelayed() || id < w.first {
		return
	}
	switch {
	case r.lag.isBehind():
		r.lag.noteTrip(rtt)
	case w.heard.IsZero():
		w.rtt = rtt
	default:
		w.rtt = alive.Smooth(w.rtt, rtt)
	}
	w.heard = now
	w.meter.Answered(id, rtt)
	if !w.proven {
		r.tellRelayed(p)
	}
}
