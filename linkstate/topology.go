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
func (t *topology) add(id trust.Fingerprint) {
	slot := int32(len(t.vertices))
	if n := len(t.free); n > 0 {
		slot, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.vertices = append(t.vertices, vertex{})
	}
	t.vertices[slot] = vertex{id: id}
	t.slots[id.Number()] = slot
}

// remove takes a node out, with its links.
func (t *topology) remove(n trust.Number) {
	slot := t.slots[n]
	for _, e := range t.vertices[slot].edges {
		t.vertices[e.to].unset(slot)
	}
	t.vertices[slot] = vertex{}
	t.free = append(t.free, slot)
	delete(t.slots, n)
}

// setRelay says whether a node passes packets on, and reports whether that is news.
func (t *topology) setRelay(n trust.Number, relay bool) bool {
	v := &t.vertices[t.slots[n]]
	changed := v.relay != relay
	v.relay = relay
	return changed
}

// link says that a link is in use, and reports whether that, or its cost, is news.
func (t *topology) link(a, b trust.Number, cost time.Duration) bool {
	us := uint32(cost / time.Microsecond)
	t.vertices[t.slots[a]].set(edge{t.slots[b], us})
	return t.vertices[t.slots[b]].set(edge{t.slots[a], us})
}

// unlink says that a link is not in use, and reports whether that is news.
func (t *topology) unlink(a, b trust.Number) bool {
	t.vertices[t.slots[a]].unset(t.slots[b])
	return t.vertices[t.slots[b]].unset(t.slots[a])
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

// hops is how many links each node is away from one of them, by its slot; -1: there is no way.
func (t *topology) hops(from int32) []int32 {
	hops := make([]int32, len(t.vertices))
	for i := range hops {
		hops[i] = -1
	}
	hops[from] = 0
	for queue := []int32{from}; len(queue) > 0; queue = queue[1:] {
		for _, e := range t.vertices[queue[0]].edges {
			if hops[e.to] < 0 {
				hops[e.to] = hops[queue[0]] + 1
				queue = append(queue, e.to)
			}
		}
	}
	return hops
}
