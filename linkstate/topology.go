package linkstate

import (
	"cmp"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// topology is the graph of the links in use, between nodes that are known by small integers: slots. Slot 0 is this node.
type topology struct {
	slots    map[trust.Number]int32
	vertices []vertex
	free     []int32
	linked   int // nodes that have a link in use
}

// vertex is a node in the graph.
type vertex struct {
	id    trust.Fingerprint
	relay bool   // it passes packets on
	edges []edge // in ascending order of slots
}

// edge is a link in use, seen from one of its ends.
type edge struct {
	to   int32
	cost uint32 // µs, of one direction
}

func newTopology(self trust.Fingerprint) *topology {
	t := &topology{slots: map[trust.Number]int32{}}
	t.add(self)
	return t
}

// add gives a node a slot.
func (t *topology) add(id trust.Fingerprint) int32 {
	slot := int32(len(t.vertices))
	if n := len(t.free); n > 0 {
		slot, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.vertices = append(t.vertices, vertex{})
	}
	t.vertices[slot] = vertex{id: id}
	t.slots[id.Number()] = slot
	return slot
}

// remove takes a node out, with its links.
func (t *topology) remove(n trust.Number) {
	slot := t.slots[n]
	for _, e := range t.vertices[slot].edges {
		t.unset(e.to, slot)
	}
	if len(t.vertices[slot].edges) > 0 {
		t.linked--
	}
	t.vertices[slot] = vertex{}
	t.free = append(t.free, slot)
	delete(t.slots, n)
}

// setRelay says whether a node passes packets on, and reports whether that is news.
func (t *topology) setRelay(slot int32, relay bool) bool {
	v := &t.vertices[slot]
	changed := v.relay != relay
	v.relay = relay
	return changed
}

// link says that a link is in use, which both of its ends know or none, and reports whether that, or its cost, is news.
func (t *topology) link(a, b int32, cost time.Duration) bool {
	us := uint32(cost / time.Microsecond)
	return t.set(a, edge{b, us}) && t.set(b, edge{a, us})
}

// unlink says that a link is not in use, and reports whether that is news.
func (t *topology) unlink(a, b int32) bool {
	return t.unset(a, b) && t.unset(b, a)
}

// set is what link does to one end.
func (t *topology) set(slot int32, e edge) bool {
	v := &t.vertices[slot]
	if len(v.edges) == 0 {
		t.linked++
	}
	return v.set(e)
}

// unset is what unlink does to one end.
func (t *topology) unset(slot, to int32) bool {
	v := &t.vertices[slot]
	found := v.unset(to)
	if found && len(v.edges) == 0 {
		t.linked--
	}
	return found
}

// edge finds the link between two nodes.
func (t *topology) edge(a, b int32) (edge, bool) {
	i, found := t.vertices[a].find(b)
	if !found {
		return edge{}, false
	}
	return t.vertices[a].edges[i], true
}

func (v *vertex) find(to int32) (int, bool) {
	return slices.BinarySearchFunc(v.edges, to, func(e edge, slot int32) int { return cmp.Compare(e.to, slot) })
}

func (v *vertex) set(e edge) bool {
	i, found := v.find(e.to)
	switch {
	case !found:
		v.edges = slices.Insert(v.edges, i, e)
	case v.edges[i] == e:
		return false
	default:
		v.edges[i] = e
	}
	return true
}

func (v *vertex) unset(to int32) bool {
	i, found := v.find(to)
	if found {
		v.edges = slices.Delete(v.edges, i, i+1)
	}
	return found
}

// hops is how many links each node is away from one of them, by its slot; -1: there is no way. It ends when all nodes that have links
// are found: in a mesh after the links of a few nodes.
func (t *topology) hops(from int32) []int32 {
	hops := make([]int32, len(t.vertices))
	for i := range hops {
		hops[i] = -1
	}
	hops[from] = 0
	found := append(make([]int32, 0, t.linked+1), from)
	for i := 0; i < len(found) && len(found) < t.linked; i++ {
		for _, e := range t.vertices[found[i]].edges {
			if hops[e.to] < 0 {
				hops[e.to] = hops[found[i]] + 1
				found = append(found, e.to)
			}
		}
	}
	return hops
}
