package sim

import (
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/trust"
)

// links is a node's part in link state, as in package router.
type links struct {
	engine *linkstate.Engine
	grown  bool // members have come that the engine was not told of
	dirty  bool
	told   time.Time
	next   time.Time
	wake   time.Time
	seen   uint64 // the generation that touchRerouted knows
}

const linksEvery = 5 * time.Second

// setMembers tells link state who takes part: all whose claims are known. As in package router, those that came together are told together.
func (n *Node) setMembers() {
	members := make([]trust.PublicKeys, 0, len(n.sorted))
	for _, p := range n.sorted {
		members = append(members, p.claim.Keys)
	}
	n.links.engine.SetMembers(members)
	n.links.grown, n.links.dirty = false, true
}

// stepLinkState tells the engine of the direct links, and sends what it wants to be sent.
func (n *Node) stepLinkState(now time.Time) {
	l := &n.links
	if l.grown {
		n.setMembers()
	}
	if l.dirty || !now.Before(l.told.Add(linksEvery)) {
		l.engine.SetLinks(n.directLinks(), now)
		l.dirty, l.told, l.next = false, now, now
	}
	if !now.Before(l.next) {
		var send []linkstate.Message
		send, l.next = l.engine.Step(now)
		for _, m := range send {
			if p := n.peers[m.To]; p != nil && p.link.Up() && p.knowsRelays() {
				n.sendControl(p, encap.LinkState, m.Body, encap.Endpoint{Addr: p.at})
			}
		}
	}
	n.wakeLinkState(now)
}

// wakeLinkState makes stepLinkState be called when it is due.
func (n *Node) wakeLinkState(now time.Time) {
	l := &n.links
	due := l.told.Add(linksEvery)
	if l.next.Before(due) {
		due = l.next
	}
	if !l.wake.After(now) || due.Before(l.wake) {
		l.wake = due
		n.laterAt(due, func() {})
	}
}

// directLinks are what link state is told.
func (n *Node) directLinks() []linkstate.Link {
	list := make([]linkstate.Link, 0, len(n.sorted))
	for _, p := range n.sorted {
		if p.link.Up() && p.knowsRelays() {
			list = append(list, linkstate.Link{Peer: p.id, RTT: p.meter.RoundTrip(), Loss: p.meter.Surely(), Up: true})
		}
	}
	return list
}

// takeLinkState takes a frame of link state.
func (n *Node) takeLinkState(p *peer, from encap.Endpoint, body []byte) {
	if _, relayed := from.Relayed(); relayed {
		n.drop("link state through relays")
		return
	}
	if _, err := n.links.engine.Receive(p.id, body, n.w.now); err != nil {
		n.drop("link state")
	}
	n.links.next = time.Time{}
}

// touchRerouted makes the peers choose anew that are not reached straight, if ways through relays may have changed.
func (n *Node) touchRerouted() {
	generation := n.links.engine.Generation()
	if generation == n.links.seen {
		return
	}
	n.links.seen = generation
	for _, p := range n.sorted {
		if !p.isDirect() {
			n.touch(p)
		}
	}
}
