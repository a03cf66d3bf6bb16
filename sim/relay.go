package sim

import (
	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/trust"
)

// This file is router/route.go and router/relay.go.

// open reports whether relay frames to a peer as the next node may be sent.
func (p *peer) open() bool { return p != nil && p.link.Up() && p.knowsRelays() }

// wrap sends a frame along the route to p, if there is one.
func (n *Node) wrap(p *peer, frame []byte, t trail) {
	if p == nil || p.route == nil || !p.route.first.open() {
		n.drop("relay down")
		return
	}
	if t.id == 0 {
		t = n.w.checks.begin(t, n, n.w.byID[p.id])
	}
	n.forward(p.route.first, p.route.head, frame, t)
}

// answerBy sends the answer to a probe by the relay that the probe came from, if that leads back; false: it does not.
func (n *Node) answerBy(p *peer, relay *peer, id uint64) bool {
	back := n.routeOf(p, linkstate.Route{Relays: []trust.Fingerprint{relay.id}})
	_, leads := n.links.engine.Cost(p.id, []trust.Fingerprint{relay.id})
	keys := p.session.Current()
	if back == nil || !leads || keys == nil || !relay.open() {
		return false
	}
	frame, err := keys.SealControl(nil, encap.ProbeReply, n.probeBody(p.relayedAt, id))
	if err != nil {
		return false
	}
	n.traffic.count(Probes, len(frame))
	t := trail{label: nameOf(encap.ProbeReply)}
	n.forward(relay, back.head, frame, n.w.checks.begin(t, n, n.w.byID[p.id]))
	return true
}

// forward puts a front before a frame, and sends it to the next node.
func (n *Node) forward(next *peer, head encap.RelayHead, inner []byte, t trail) {
	head.Lane = 0
	out, err := next.session.Current().SealRelay(make([]byte, 0, head.FrontLen()+len(inner)), &head)
	if err != nil {
		n.drop("relay seal")
		return
	}
	n.traffic.count(Relays, len(out))
	out = append(out, inner...)
	n.w.net.send(n, next.at, out, t)
}

// takeRelay takes a relay frame: what is for this node, or goes on.
func (n *Node) takeRelay(b *binding, from encap.Endpoint, frame []byte, t trail) {
	if _, relayed := from.Relayed(); relayed {
		n.drop("relay looped")
		return
	}
	head, inner, err := b.keys.OpenRelay(frame)
	if err != nil {
		n.drop("relay")
		return
	}
	n.touch(b.peer)
	b.peer.confirm(b)
	n.heardFrom(b.peer, from, heard)
	if t = n.w.checks.visit(n, t); circles(&head, n.number) {
		n.drop("relay looped")
		return
	}
	source := n.numbers[head.Source]
	switch {
	case source == nil:
		n.drop("relay stranger")
	case head.Destination == n.number:
		n.through = b.peer
		n.take(source.relayedAt, inner, t)
		n.through = nil
	default:
		n.carry(b.peer, head, inner, t)
	}
}

// carry sends a frame of another source to the next node on its way.
func (n *Node) carry(hop *peer, head encap.RelayHead, inner []byte, t trail) {
	next := head.Destination
	if first, rest, ok := head.Further.Next(); ok {
		next, head.Further = first, rest
	}
	if n.w.faults.misroute != nil {
		next = n.w.faults.misroute(n, next)
	}
	to := n.numbers[next]
	switch {
	case !n.w.cfg.Relay(n.index):
		n.drop("relay refused")
	case to == hop && n.w.faults.misroute == nil:
		n.drop("relay looped")
	case !to.open():
		n.drop("relay no way")
	default:
		head.HopLimit--
		hop.carried, to.carried = n.w.now, n.w.now
		n.forward(to, head, inner, t)
	}
}

// circles reports whether a frame would come to a node for the second time, this one being self, or may not go as far as it says.
func circles(h *encap.RelayHead, self trust.Number) bool {
	further := &h.Further
	switch {
	case h.Source == self, h.Source == h.Destination, further.Has(self), further.Has(h.Source), further.Has(h.Destination), further.Repeats():
		return true
	case h.Destination == self:
		return further.Len() > 0
	}
	return int(h.HopLimit) <= further.Len() || h.HopLimit > encap.MaxRelays
}
