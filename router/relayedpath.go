package router

import (
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// A path through relays is watched from end to end: only the answer to a probe that went along the route in use shows that it works. Other
// frames of the peer may have come by another route, which the peer has chosen.

// stepRelayed lets the watch of a relayed path act.
func (r *Router) stepRelayed(p *peer, now, carried time.Time) {
	w := &p.relay
	switch w.watch.step(now, w.heard, carried, w.rtt) {
	case probe:
		r.sendProbe(p, encap.Probe, p.relayedAt, p.probes.next(now))
	case declare:
		if p.pausing {
			r.away(p, "it stopped, and has not come back")
			return
		}
		r.failRoute(p, now)
	default:
		if w.watch.spare && !p.pausing && w.watch.ailing(now, w.rtt) {
			r.failRoute(p, now)
		}
	}
}

// failRoute notes that the route in use does not get frames to the peer and back. The choice hears of it at once.
func (r *Router) failRoute(p *peer, now time.Time) {
	w := &p.relay
	if w.failed.has(w.names) {
		return
	}
	r.log.Debug("router.route.failed", "peer", p.config.Name, "via", r.viaText(w.names))
	w.failed.add(w.names, now)
	w.stale = true
}

// heardRelayed notes that an authenticated frame of p came through relays. It raises a peer that was down.
func (r *Router) heardRelayed(p *peer, from encap.Endpoint) {
	if from.Addr != p.relayedAt.Addr { // a relay says that it is another's
		return
	}
	p.relayed.Store(r.clock())
	if p.isUp() || p.route.Load() == nil {
		return
	}
	p.relay.failed = nil
	if best, _, ok := r.links.engine.Routes(p.id); ok {
		r.goThrough(p, best, "it answered through relays", r.now())
		p.relay.stale = true
	}
}

// takeRelayedReply takes the answer to a probe that came through relays.
func (r *Router) takeRelayedReply(p *peer, id uint64, rtt time.Duration, now time.Time) {
	w := &p.relay
	if !p.isRelayed() || id < w.first {
		return
	}
	if w.heard.IsZero() {
		w.rtt = rtt
	}
	w.rtt = smooth(w.rtt, rtt)
	w.heard = now
}

// failures are the routes on which nothing came back: they are left alone for a while, each time longer.
type failures []failure

type failure struct {
	relays []trust.Fingerprint
	times  int
	at     time.Time // it failed last
	until  time.Time // it counts as failed; kept for a while after that
}

const (
	failedFor  = 10 * time.Second // for the first time; doubles
	failedMost = 5 * time.Minute
	failedKept = 10 * time.Minute // how long it is known that a route failed
)

func (f failures) find(relays []trust.Fingerprint) int {
	return slices.IndexFunc(f, func(x failure) bool { return slices.Equal(x.relays, relays) })
}

// has reports whether a route has failed lately.
func (f failures) has(relays []trust.Fingerprint) bool {
	i := f.find(relays)
	return i >= 0 && !f[i].until.IsZero()
}

// spare reports whether nothing speaks against a route.
func (f failures) spare(relays []trust.Fingerprint) bool { return len(relays) > 0 && !f.has(relays) }

// add notes that a route failed.
func (f *failures) add(relays []trust.Fingerprint, now time.Time) {
	i := f.find(relays)
	if i < 0 {
		*f = append(*f, failure{relays: slices.Clone(relays)})
		i = len(*f) - 1
	}
	x := &(*f)[i]
	x.at, x.until = now, now.Add(min(failedFor<<min(x.times, 10), failedMost))
	x.times++
}

// expire lets routes be tried again whose time is over, and forgets those that failed long ago.
func (f *failures) expire(now time.Time) {
	for i := range *f {
		if x := &(*f)[i]; !now.Before(x.until) {
			x.until = time.Time{}
		}
	}
	*f = slices.DeleteFunc(*f, func(x failure) bool { return now.Sub(x.at) >= failedKept })
}

// next is when expire will let a route be tried again, or the time or, if that is earlier.
func (f failures) next(or time.Time) time.Time {
	for i := range f {
		if u := f[i].until; !u.IsZero() && (or.IsZero() || u.Before(or)) {
			or = u
		}
	}
	return or
}
