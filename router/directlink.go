package router

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router/alive"
)

// The direct link of a peer: calls and probes of its endpoints. Where the session lives, and the path is relayed, probes under its keys
// find out whether an endpoint works; else a handshake does, through relays as well.

// proof says what a frame shows of the way that it came.
type proof uint8

const (
	compared  proof = iota // it came by a way that is only compared with others
	led                    // it says that this is the way to take
	heard                  // it came: the way to us works
	answered               // it answers a probe of ours that went there: both ways work
	concluded              // it ends a handshake of ours
)

// probeDirect sends a probe on the direct link.
func (r *Router) probeDirect(p *peer, now time.Time) {
	id := p.probes.next(now)
	p.meter.Sent(id, now)
	if r.decides(p) && p.compares() {
		r.sendPurpose(p, encap.ProbeLeads, p.at(), id)
		return
	}
	r.sendProbe(p, encap.Probe, p.at(), id)
}

// probePath sends a probe by the path of a peer that is up.
func (r *Router) probePath(p *peer, now time.Time) {
	if p.isRelayed() {
		r.probeRelayed(p, now)
		return
	}
	r.probeDirect(p, now)
}

// callPeer tries to reach a peer straight whose direct link is down. It is to be called by a handshake as soon as there is room for one;
// a peer that is up through relays gets probes instead.
func (r *Router) callPeer(p *peer, now time.Time) {
	if r.callsSeldom(p, now) && now.Sub(p.called) < callSeldom {
		return
	}
	p.called = now
	if p.link.Calls() == 1 {
		p.series = 0
	}
	if p.hasSession() {
		r.askCandidates(p, now)
		return
	}
	r.callQueue.waiting[p] = struct{}{}
}

// hasSession reports whether frames of a session reach the peer, through relays at least.
func (p *peer) hasSession() bool { return p.isUp() && p.session.Current() != nil }

// askCandidates sends a probe to all endpoints of a peer that is reached through relays: what answers becomes its direct link.
func (r *Router) askCandidates(p *peer, now time.Time) {
	id := p.probes.next(now)
	for _, c := range r.callees(p, now) {
		r.sendProbe(p, encap.Probe, c, id)
	}
}

// callees are the endpoints of a peer that may be called. That they are is noted.
func (r *Router) callees(p *peer, now time.Time) []encap.Endpoint {
	list := r.callable(p)
	for _, c := range list {
		p.noteCall(c.Addr, now)
	}
	r.noteSilence(p, now)
	return list
}

const (
	callSeldom = 30 * time.Second // between two calls for a direct path that nobody waits for
	callWaits  = time.Minute      // how long one is waited for, after the path became relayed or carried something
)

// callsSeldom reports whether a direct path to a peer would be of little use: it has been reached through relays for a while, and nothing
// is sent.
func (r *Router) callsSeldom(p *peer, now time.Time) bool {
	return p.isRelayed() && now.Sub(p.pathed) >= callWaits && now.Sub(r.at(p.carried.Load())) >= callWaits
}

// declare takes a direct link down on which nothing is heard any more.
func (r *Router) declare(p *peer, now time.Time) {
	if p.pausing && !p.isRelayed() {
		r.away(p, "it stopped, and has not come back")
		return
	}
	r.loseDirect(p, fmt.Sprintf("%d probes in a row were not answered", r.timing.Burst+1), now)
}

// loseDirect takes the direct link down, and makes the best of what is left the path.
func (r *Router) loseDirect(p *peer, reason string, now time.Time) {
	r.dropDirect(p, reason, 0, now)
	r.stepLinkState(now) // the others hear of it at once, and the choice goes by links that are up
	r.choose(p, now)
}

// dropDirect takes the direct link down; its first call follows after delay.
func (r *Router) dropDirect(p *peer, reason string, delay time.Duration, now time.Time) {
	p.link.Fall(now, delay)
	r.touch(p)
	p.fault, p.rtt, p.meter = reason, 0, alive.Meter{}
	if old := p.direct.Load(); old != nil && old.up {
		p.last = old.endpoint.Addr
		p.direct.Store(&direct{endpoint: old.endpoint, lanes: old.lanes})
		r.links.dirty = true
	}
}

// heardFrom notes that an authenticated frame of p came from an endpoint: it raises what was down, and follows a
// peer that moved.
func (r *Router) heardFrom(p *peer, from encap.Endpoint, shown proof) {
	p.pausing, p.suspended = false, false
	if _, relayed := from.Relayed(); relayed {
		r.heardRelayed(p, from)
	} else {
		r.heardDirect(p, from, shown)
	}
	if now := p.path.Load(); now != nil && now.suspended {
		r.renewPath(p)
	}
}

// heardDirect is heardFrom for an endpoint of the underlay.
//
// Only what comes from the link's own endpoint shows that the link works: a peer with two addresses may be heard from one while the link
// leads to the other, which is dead. And while the path is relayed, only an answer shows that it does in both directions.
func (r *Router) heardDirect(p *peer, from encap.Endpoint, shown proof) {
	old := p.at()
	switch {
	case !p.link.Up() && p.isUp() && shown <= heard:
		r.tryDirect(p, from)
		return
	case !p.link.Up():
		r.rise(p, from)
	case old == from:
	case shown == compared:
		return
	case old.Addr == from.Addr && (shown == concluded || !old.Local.IsValid()):
		r.lead(p, from) // the peer is where it was; the address of ours that it calls is the one to send from
	case shown == led && !r.decides(p):
		r.obey(p, from)
	case r.agreed(p, from) || p.hasLeft(from, r.now()):
	case r.mayMove(p, from, shown):
		p.followed = r.now()
		r.lead(p, from)
		p.measureAnew()
		r.noteMoved(p, old, "the peer was heard there")
	case r.justFollowed(p): // from where it is heard next, the link follows it again
	default:
		p.stray.Store(&from)
	}
	if p.at().Addr == from.Addr {
		p.heard.Store(r.clock())
	}
}

// tryDirect asks a peer that was heard from an endpoint of the underlay, while it is reached through relays, whether it is reached there
// as well. Data frames from there do not ask again; the calls go on.
func (r *Router) tryDirect(p *peer, from encap.Endpoint) {
	p.stray.Store(&from)
	if now := r.now(); now.Sub(p.asking) >= r.timing.CallMin {
		p.asking = now
		r.sendProbe(p, encap.Probe, from, p.probes.next(now))
	}
}

// rise makes a direct link of an endpoint, from which the peer was heard.
func (r *Router) rise(p *peer, from encap.Endpoint) {
	now := r.now()
	p.link.Rise()
	r.callQueue.remove(p)
	p.tried, p.fault, p.caller, p.told = nil, "", Attempt{}, false
	p.meter.Began(now)
	p.fresh = p.probes.last + 1
	r.lead(p, from)
	p.leads = "it answered first"
	r.links.dirty, p.relay.stale = true, true
	if !p.isUp() {
		r.goStraight(p, "direct", now)
	}
	r.probeDirect(p, now) // for the round trip, and to confirm the keys to a responder
}

// lead makes an endpoint the one that the direct link leads to, and with it the path, unless that is relayed.
func (r *Router) lead(p *peer, to encap.Endpoint) {
	next := direct{endpoint: to, lanes: p.lanes, up: true}
	if old := p.direct.Load(); old != nil && old.endpoint.Addr == to.Addr {
		next.also = old.also
	}
	p.direct.Store(&next)
	if p.isUp() && !p.isRelayed() {
		r.follow(p, to)
	}
}

// mayMove decides whether a working link follows a frame from elsewhere. Between two endpoints that the peer claims
// only the side with the greater fingerprint moves; else two nodes that chose different ones would follow each other
// back and forth. Nor is an answer followed there: it comes from where we asked, and not from where the peer sends. If the peer knows
// what probes are for, that side moves it back by the next one, and so it does not follow either while the peer is heard where the
// link leads.
func (r *Router) mayMove(p *peer, from encap.Endpoint, shown proof) bool {
	old := p.at()
	if old.Addr == from.Addr { // only our own address differs
		return false
	}
	claims := func(at netip.AddrPort) bool { return slices.Contains(p.config.Endpoints, at) }
	switch {
	case !claims(from.Addr) || !claims(old.Addr):
		return !r.justFollowed(p)
	case shown == answered || !r.decides(p):
		return false
	}
	return !p.compares() || r.now().Sub(r.at(p.heard.Load())) > r.timing.Busy
}

// followEvery is how often a direct link follows a peer at most that is heard from several endpoints in turn, as behind a router that
// sends each packet by another line.
const followEvery = time.Second

// justFollowed reports whether the direct link of a peer has lately followed it, and the peer is heard where it leads.
func (r *Router) justFollowed(p *peer) bool {
	now := r.now()
	return now.Sub(p.followed) < followEvery && now.Sub(r.at(p.heard.Load())) < r.timing.CallMin
}
