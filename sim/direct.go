package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router/alive"
)

// This file is router/directlink.go.

// proof says what a frame shows of the way that it came.
type proof uint8

const (
	heard     proof = iota // it came: the way to us works
	answered               // it answers a probe of ours that went there
	concluded              // it ends a handshake of ours
)

// probeDirect sends a probe on the direct link.
func (n *Node) probeDirect(p *peer) {
	id := p.probes.next(n.w.now)
	p.meter.Sent(id, n.w.now)
	n.sendProbe(p, encap.Probe, encap.Endpoint{Addr: p.at}, id)
}

// callPeer tries to reach a peer straight whose direct link is down.
func (n *Node) callPeer(p *peer) {
	list := p.candidates()
	if p.up && p.session.Current() != nil {
		id := p.probes.next(n.w.now)
		for _, c := range list {
			n.sendProbe(p, encap.Probe, c, id)
		}
		return
	}
	first := p.link.Calls() == 1
	if first && len(list) > 1 {
		list = list[:1]
	}
	if p.route != nil && (!first || len(list) == 0) {
		list = append(list, p.relayedAt)
	}
	if len(list) > 0 {
		n.initiate(p, list)
	}
}

// dropDirect takes the direct link down; its first call follows after delay.
func (n *Node) dropDirect(p *peer, delay time.Duration) {
	was := p.link.Up()
	p.link.Fall(n.w.now, delay)
	n.touch(p)
	p.rtt, p.meter = 0, alive.Meter{}
	if was {
		p.last = p.at
		n.links.dirty = true
	}
}

// heardFrom notes that an authenticated frame of p came from an endpoint.
func (n *Node) heardFrom(p *peer, from encap.Endpoint, shown proof) {
	if _, relayed := from.Relayed(); relayed {
		n.heardRelayed(p, from)
		return
	}
	n.heardDirect(p, from.Addr, shown)
}

// heardDirect is heardFrom for an endpoint of the underlay.
func (n *Node) heardDirect(p *peer, from netip.AddrPort, shown proof) {
	switch {
	case !p.link.Up() && p.up && shown == heard:
		n.tryDirect(p, from)
		return
	case !p.link.Up():
		n.rise(p, from)
	case p.at == from:
	case n.mayMove(p, from):
		p.at = from
	default:
		p.stray = from
	}
	if p.at == from {
		p.heard = n.w.now
	}
}

// tryDirect asks a peer that was heard from an endpoint, while it is reached through relays, whether it is reached there as well.
func (n *Node) tryDirect(p *peer, from netip.AddrPort) {
	p.stray = from
	if now := n.w.now; now.Sub(p.asking) >= timing.CallMin {
		p.asking = now
		n.sendProbe(p, encap.Probe, encap.Endpoint{Addr: from}, p.probes.next(now))
	}
}

// rise makes a direct link of an endpoint, from which the peer was heard.
func (n *Node) rise(p *peer, from netip.AddrPort) {
	p.link.Rise()
	p.meter.Began(n.w.now)
	p.at = from
	n.links.dirty, p.relay.stale = true, true
	if !p.up {
		n.goStraight(p)
	}
	n.probeDirect(p)
}

// mayMove decides whether a working link follows a frame from elsewhere.
func (n *Node) mayMove(p *peer, from netip.AddrPort) bool {
	claims := func(at netip.AddrPort) bool { return slices.Contains(p.claim.Endpoints, at) }
	return !claims(from) || !claims(p.at) || slices.Compare(n.self[:], p.id[:]) > 0
}

// heardRelayed notes that an authenticated frame of p came through relays. It raises a peer that was down.
func (n *Node) heardRelayed(p *peer, from encap.Endpoint) {
	if from.Addr != p.relayedAt.Addr {
		return
	}
	p.relayHeard = n.w.now
	if p.up {
		n.wonder(p)
		return
	}
	if p.route == nil {
		return
	}
	p.relay.failed = nil
	if best, _, ok := n.links.engine.Routes(p.id); ok {
		n.goThrough(p, best, n.w.now)
		p.relay.stale = true
	}
}

// wonder asks a peer at once that is reached straight, not heard so lately, and sends through relays.
func (n *Node) wonder(p *peer) {
	if now := n.w.now; !p.relayed && p.link.Up() && now.Sub(p.heard) > timing.Busy && p.link.Doubt(now) == alive.Probe {
		n.probeDirect(p)
	}
}

// takeRelayedReply takes the answer to a probe that came through relays.
func (p *peer) takeRelayedReply(id uint64, rtt time.Duration, now time.Time) {
	w := &p.relay
	if !p.relayed || id < w.first {
		return
	}
	if w.heard.IsZero() {
		w.rtt = rtt
	}
	w.rtt = alive.Smooth(w.rtt, rtt)
	w.heard = now
}

// farewell takes a peer down that stops in order.
func (n *Node) farewell(p *peer) {
	n.dropDirect(p, 4*timing.CallMin)
	n.takeDown(p)
	p.session.Close()
	p.away = true
}

// announce tells all peers that the node's address changed.
func (n *Node) announce() {
	for _, p := range n.sorted {
		n.touch(p)
		if p.link.Up() {
			n.probeDirect(p)
		} else {
			p.link.CallSoon(n.w.now)
		}
	}
}

// goodbye tells all peers that the node stops.
func (n *Node) goodbye() {
	for _, relayed := range []bool{true, false} { // before the first relay forgets this node
		for _, p := range n.sorted {
			if p.up && p.relayed == relayed {
				n.sendControl(p, encap.Goodbye, nil, p.endpoint())
			}
		}
	}
}
