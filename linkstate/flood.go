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
// from o. The order differs for each pair of both.
func (e *Engine) isCarrier(o *origin, to *ownLink, hops []int32) bool {
	slot, member := e.top.slots[to.number]
	if !member || hops[slot] < 0 {
		return true // nobody else is known to have a way there
	}
	if hops[0] >= hops[slot] {
		return false
	}
	ours, before := rank(o.id, to.peer, e.self), 0
	for _, edge := range e.top.vertices[slot].edges {
		if edge.to != 0 && hops[edge.to] >= 0 && hops[edge.to] < hops[slot] && rank(o.id, to.peer, e.top.vertices[edge.to].id) < ours {
			if before++; before == fanout {
				return false
			}
		}
	}
	return true
}
