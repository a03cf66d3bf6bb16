package linkstate

import (
	"slices"

	"github.com/weftnet/weft/trust"
)

// Refusing are the nodes with a link to dst that is in use, which this node reaches, straight or through relays, and which pass nothing on,
// in the order of their fingerprints: did they, there would be a way to dst. nil: there are none, or dst is reached.
func (e *Engine) Refusing(dst trust.Fingerprint) (list []trust.Fingerprint) {
	slot, ok := e.slot(dst)
	if !ok || slot == 0 || e.reaches(slot) {
		return nil
	}
	for _, link := range e.top.vertices[slot].edges {
		if link.to != 0 && !e.top.vertices[link.to].relay && e.reaches(link.to) {
			list = append(list, e.top.vertices[link.to].id)
		}
	}
	slices.SortFunc(list, func(a, b trust.Fingerprint) int { return slices.Compare(a[:], b[:]) })
	return list
}

// reaches reports whether there is any way to a node.
func (e *Engine) reaches(slot int32) bool {
	if _, straight := e.top.edge(0, slot); straight {
		return true
	}
	return e.finder.routes(slot).ok
}
