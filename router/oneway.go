package router

import (
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router/alive"
)

// A peer whose handshake initiations arrive again and again does not get our answers: something between the two lets packets pass in one
// direction only, as a firewall does that opens a port for one side. One that probes a link which is up again and again does not get them
// either, any more.

const (
	oneWayCalls = 3           // that arrive before it is said: two may follow each other before an answer is there
	oneWayTime  = time.Second // in which they do at least
)

// noteCaller notes that a peer called from an endpoint of the underlay while its direct link is down, and tells of it once if our answers
// seem to be lost.
func (r *Router) noteCaller(p *peer, from encap.Endpoint, now time.Time) {
	if _, relayed := from.Relayed(); relayed || p.link.Up() {
		return
	}
	if p.caller.Endpoint != from.Addr {
		p.caller = Attempt{Endpoint: from.Addr, First: now}
	}
	p.caller.Calls++
	if !p.told && p.oneWay(now) {
		p.told = true
		r.log.Warn("router.peer.oneway", "peer", p.config.Name, "endpoint", from.Addr, "since", p.caller.First, "calls", p.caller.Calls)
	}
}

// notePersistence notes a probe of a peer, and asks it by a burst that only an answer ends whether it hears us, if it probes the direct
// link again and again. So both ends leave a link together that has failed in one direction: that the peer is heard there shows this end
// nothing.
func (r *Router) notePersistence(p *peer, from encap.Endpoint, now time.Time) {
	if !p.link.Up() || p.at().Addr != from.Addr {
		return
	}
	if p.unheard.Probed(now, r.timing.Gap, p.rtt) && p.link.Challenge(now) == alive.Probe {
		r.probeDirect(p, now)
	}
}

// oneWay reports whether calls of the peer arrive and our answers do not.
func (p *peer) oneWay(now time.Time) bool {
	return !p.link.Up() && p.caller.Calls >= oneWayCalls && now.Sub(p.caller.First) >= oneWayTime
}

// callerOneWay are the calls that arrive while our answers do not; zero: that is not so.
func (p *peer) callerOneWay(now time.Time) (a Attempt) {
	if p.oneWay(now) {
		a = p.caller
	}
	return a
}
