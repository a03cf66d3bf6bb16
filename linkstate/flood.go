package linkstate

import "github.com/weftnet/weft/trust"

// fanout is how many of the nodes that could pass a page on to another one do: more than one, for the first may have lost its link, or
// the page.
const fanout = 3

// publish sends a page of this node to all its direct peers.
func (e *Engine) publish(p *page) {
	for _, l := range e.direct {
		e.out.news = append(e.out.news, letter{to: l.peer, page: p})
	}
}

// passOn sends a page of another node, which is news, to the direct peers that depend on this node for it: its origin does not state a
// link to them, so they get it from neighbours of theirs that are nearer to the origin, of whom the first few do it.
func (e *Engine) passOn(o *origin, p *page, from trust.Fingerprint) {
	var hops []int32
	states := o.reader()
	for _, l := range e.direct {
		if states(l.number) || l.peer == from || l.peer == o.id {
			continue
		}
		if hops == nil {
			hops = e.top.hops(o.slot)
		}
		if e.isCarrier(o, l, hops) {
			e.out.news = append(e.out.news, letter{to: l.peer, page: p})
		}
	}
}

// isCarrier reports whether this node is among the first of those that could pass on to a peer what o says; hops is how far nodes are
// from o. The order differs for each pair of both. While many nodes start, most links are stated by one of their ends alone: so those count
// too to which both o and the peer state a link, whether they state it themselves or not.
func (e *Engine) isCarrier(o *origin, to *ownLink, hops []int32) bool {
	peer := e.origins[to.number]
	if peer != nil && len(peer.pages) == 0 {
		return false // it has just come, and gets all that there is when it has said what it reaches
	}
	distance := e.hopsOf(to.number, hops)
	if distance >= 0 && hops[0] >= distance {
		return false
	}
	_, stated := o.to(e.number)
	nearer := distance >= 0 || stated
	ours, before := rank(o.id, to.peer, e.self), 0
	for n := range peer.peers() {
		d := e.hopsOf(n, hops)
		_, near := o.to(n)
		if n == e.number || n == to.number || !near && (d < 0 || d >= distance) {
			continue
		}
		if other := e.origins[n]; other != nil && (!nearer || rank(o.id, to.peer, other.id) < ours) {
			if before++; before == fanout {
				return false
			}
		}
	}
	return true
}

// hopsOf is how far a node is away, of those of a list; -1: there is no way, or it is no member.
func (e *Engine) hopsOf(n trust.Number, hops []int32) int32 {
	slot, member := e.top.slots[n]
	if !member {
		return -1
	}
	return hops[slot]
}
