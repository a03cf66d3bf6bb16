package sim

import (
	"net/netip"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router/alive"
)

// This file is what router's lanes and control goroutine do with frames.

// receive takes a datagram.
func (n *Node) receive(d datagram) {
	n.take(encap.Endpoint{Addr: d.from}, d.frame, d.trail)
	n.turn()
}

// take takes a frame, which came straight or out of a relay frame.
func (n *Node) take(from encap.Endpoint, frame []byte, t trail) {
	h, err := encap.ParseHeader(frame)
	if err != nil {
		n.drop("header")
		return
	}
	switch h.Type {
	case encap.Initiation:
		n.takeInitiation(from, frame)
		return
	case encap.Response:
		n.takeResponse(from, h, frame)
		return
	case encap.GossipType:
		n.takeHearsay(frame[encap.HeaderLen:])
		return
	}
	b := n.indexes[h.Index]
	if b == nil {
		n.drop("unknown index")
		n.resume(from)
		return
	}
	switch h.Type {
	case encap.Control:
		n.takeControl(b, from, frame)
	case encap.Data:
		n.takeData(b, from, frame)
	case encap.Relay:
		n.takeRelay(b, from, frame, t)
	}
}

// takeControl takes a control frame.
func (n *Node) takeControl(b *binding, from encap.Endpoint, frame []byte) {
	kind, body, err := b.keys.OpenControl(frame)
	if err != nil {
		n.drop("control")
		return
	}
	p := b.peer
	n.touch(p)
	p.confirm(b)
	if kind == encap.Goodbye {
		if b.keys == p.session.Current() {
			n.farewell(p)
		}
		return
	}
	shown := heard
	if kind == encap.ProbeReply {
		shown = answered
	}
	n.heardFrom(p, from, shown)
	switch kind {
	case encap.Probe, encap.ProbeReply:
		n.takeProbe(p, kind, from, body)
	case encap.Gossip:
		n.takeGossip(p.id, body)
	case encap.LinkState:
		n.takeLinkState(p, from, body)
	case encap.Candidates:
		if offer, err := encap.ParseOffer(body); err == nil {
			p.punch.SetOurs(n.w.now, n.ownCandidates())
			n.doPunch(p, p.punch.Take(n.w.now, offer, p.punchFacts()))
		}
	}
}

// confirm makes keys that an authenticated frame came under the session's current ones.
func (p *peer) confirm(b *binding) {
	if !p.confirmed[b.keys] {
		if len(p.confirmed) > 8 {
			clear(p.confirmed)
		}
		p.confirmed[b.keys] = true
		p.session.Confirmed(b.keys, p.n.w.now)
	}
}

// takeProbe answers a probe, or takes the answer to one.
func (n *Node) takeProbe(p *peer, kind encap.ControlKind, from encap.Endpoint, body []byte) {
	q, err := encap.ParseProbe(body)
	if err != nil {
		n.drop("probe")
		return
	}
	n.noteSeenAs(p, q.Observed)
	if kind == encap.Probe {
		if n.through == nil || from != p.relayedAt || !n.answerBy(p, n.through, q.ID) {
			n.sendProbe(p, encap.ProbeReply, from, q.ID)
		}
		n.notePersistence(p, from.Addr)
		return
	}
	rtt, ok := p.probes.roundTrip(q.ID, n.w.now)
	if !ok {
		return
	}
	if _, relayed := from.Relayed(); relayed {
		p.takeRelayedReply(q.ID, rtt, n.w.now)
		return
	}
	p.rtt = alive.Smooth(p.rtt, rtt)
	p.meter.Answered(q.ID, rtt)
	if from.Addr == p.at {
		p.link.Answered(n.w.now.Add(-rtt))
	}
}

// notePersistence notes a probe of a peer, and asks whether it hears us if it probes the direct link again and again.
func (n *Node) notePersistence(p *peer, from netip.AddrPort) {
	if p.link.Up() && p.at == from && p.unheard.Probed(n.w.now, timing.Gap, p.rtt) && p.link.Challenge(n.w.now) == alive.Probe {
		n.probeDirect(p)
	}
}

// sendProbe sends a probe or its answer.
func (n *Node) sendProbe(p *peer, kind encap.ControlKind, to encap.Endpoint, id uint64) {
	n.sendControl(p, kind, n.probeBody(to, id), to)
}

func (n *Node) probeBody(to encap.Endpoint, id uint64) []byte {
	var observed netip.AddrPort
	if _, relayed := to.Relayed(); !relayed {
		observed = to.Addr
	}
	return encap.ProbeBody{ID: id, Observed: observed, Clock: n.w.now.UnixMilli()}.Append(nil)
}

// sendControl sends a control frame to an endpoint of a peer.
func (n *Node) sendControl(p *peer, kind encap.ControlKind, body []byte, to encap.Endpoint) {
	keys := p.session.Current()
	if keys == nil {
		return
	}
	frame, err := keys.SealControl(nil, kind, body)
	if err != nil {
		n.drop("seal")
		return
	}
	n.traffic.count(kindOf(kind), len(frame))
	n.transmit(frame, to, nameOf(kind))
}

// transmit sends a frame to an endpoint, along the route where that is a relayed one. label is what it is.
func (n *Node) transmit(frame []byte, to encap.Endpoint, label string) {
	t := trail{label: label, from: n}
	if number, relayed := to.Relayed(); relayed {
		n.wrap(n.numbers[number], frame, t)
		return
	}
	n.w.net.send(n, to.Addr, frame, t)
}

// drop counts what was not taken.
func (n *Node) drop(why string) { n.drops[why]++ }
