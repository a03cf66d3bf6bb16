package linkstate

import (
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// Routes are the best way to dst through relays, and the best one that has no relay in common with it; without one of those, the best
// that has another first relay, else none (no Relays). ok is false where there is no way at all. The direct link is not considered.
// Results are computed when asked for, and kept until Generation changes.
func (e *Engine) Routes(dst trust.Fingerprint) (best, second Route, ok bool) {
	if slices.Contains(e.shared, e.number) { // nobody could answer along a route
		return Route{}, Route{}, false
	}
	slot, ok := e.slot(dst)
	if !ok || slot == 0 {
		return Route{}, Route{}, false
	}
	r := e.finder.routes(slot)
	return r.best, r.second, r.ok
}

// Cost is what a route to dst costs now; ok is false where a link of it is not in use, or a relay of it passes nothing on, any more.
func (e *Engine) Cost(dst trust.Fingerprint, relays []trust.Fingerprint) (cost time.Duration, ok bool) {
	at, sum := int32(0), time.Duration(0)
	for i, id := range append(slices.Clone(relays), dst) {
		slot, ok := e.slot(id)
		if !ok {
			return 0, false
		}
		link, ok := e.top.edge(at, slot)
		if !ok || i < len(relays) && !e.top.vertices[slot].relay {
			return 0, false
		}
		at, sum = slot, sum+time.Duration(link.cost)*time.Microsecond
	}
	return penalised(sum, len(relays)), true
}

// slot finds a member in the graph.
func (e *Engine) slot(id trust.Fingerprint) (int32, bool) {
	slot, ok := e.top.slots[id.Number()]
	return slot, ok && e.top.vertices[slot].id == id
}

// Direct is the cost of the direct link to dst, comparable with that of a Route; ok is false where it is not up here. What the other
// end says of it counts if it is worse; that it says so at all is not asked for.
func (e *Engine) Direct(dst trust.Fingerprint) (cost time.Duration, ok bool) {
	l := e.author.links[dst]
	if l == nil || !l.up {
		return 0, false
	}
	q := l.quality
	if o := e.origins[l.number]; o != nil && o.id == dst {
		if back, up := o.to(e.number); up {
			q = q.worse(back)
		}
	}
	return q.cost(), true
}
