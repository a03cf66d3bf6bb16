package linkstate

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// MaxRelays is the most relays that a route has. Three get from any site to any other where each has one node that others reach.
const MaxRelays = 3

const (
	// relayShare and relayCost are the penalty of each relay: a fifth of the path's cost, and 5 ms. The fifth covers what the middle of
	// a class may be off, so that of two ways of the same length the direct one wins; the 5 ms are for what a relay costs beyond time:
	// every packet crosses its link twice, takes its CPU, and is lost when it stops.
	relayShare = 5
	relayCost  = 5 * time.Millisecond
)

// penalised is what a path with so many relays costs whose links cost sum.
func penalised(sum time.Duration, relays int) time.Duration {
	return sum + time.Duration(relays)*(sum/relayShare+relayCost)
}

// unreached is the cost of what no path leads to.
const unreached = math.MaxUint32

// leg is the end of the cheapest path to a node: what all of it costs, its last hop but one, and how many links it has.
type leg struct {
	cost  uint32 // µs, without penalties
	prev  int32
	links int
}

// tree has the cheapest paths from this node to all others, of 1 up to MaxRelays links, that lead through no banned node. Penalties
// depend on the number of links alone, so the best path of each number decides; costs are positive, so it visits no node twice.
type tree struct {
	t      *topology
	banned []int32              // in ascending order
	legs   [MaxRelays + 1][]leg // by the most links, and slots
}

// grow computes the tree: Bellman and Ford, with one round for each link.
func grow(t *topology, banned []int32) *tree {
	r := &tree{t: t, banned: banned}
	first := make([]leg, len(t.vertices))
	for i := range first {
		first[i] = leg{cost: unreached}
	}
	first[0] = leg{}
	r.legs[0] = first
	for links := 1; links <= MaxRelays; links++ {
		r.legs[links] = r.extend(r.legs[links-1], links)
	}
	return r
}

// extend makes of the cheapest paths of fewer links those of up to so many. The cheapest nodes are extended first: soon the rest can
// improve nothing.
func (r *tree) extend(before []leg, links int) []leg {
	after, limits := slices.Clone(before), r.limits(before, links)
	for i, slot := range r.extensible(before, links) {
		cost := before[slot].cost
		if i%boundEvery == 0 && cost+leastEdge >= slices.Max(limits) {
			break
		}
		for _, e := range r.t.vertices[slot].edges {
			if cost+e.cost < limits[e.to] {
				after[e.to] = leg{cost + e.cost, slot, links}
				limits[e.to] = cost + e.cost
			}
		}
	}
	return after
}

const (
	boundEvery = 8                                       // extensions after which the bound is computed again
	leastEdge  = uint32(leastRTT / 4 / time.Microsecond) // no link costs less: that is class 0 without losses
)

// limits are, for each node, what a path of so many links has to be cheaper than to be a part of the best path to anywhere, where a
// path of fewer links leads there already. Whatever follows is the same for both, so it is not if it loses even with nothing behind it
// and with MaxRelays in all, where one relay more weighs least.
func (r *tree) limits(before []leg, links int) []uint32 {
	limits := make([]uint32, len(before))
	for slot, l := range before {
		more := uint32(links - l.links)
		share, fixed := uint64(relayShare+MaxRelays), uint64(more)*relayShare*uint64(relayCost/time.Microsecond)
		weight := uint64(l.cost) * (share - uint64(more))
		switch {
		case l.cost == unreached && len(r.t.vertices[slot].edges) > 0:
			limits[slot] = unreached
		case l.cost != unreached && weight > fixed:
			limits[slot] = uint32((weight - fixed + share - 1) / share)
		}
	}
	return limits
}

// extensible are the nodes to which a path has just so many links less one and that may be followed by another, the cheapest first.
func (r *tree) extensible(before []leg, links int) []int32 {
	var list []int32
	for slot, l := range before {
		if l.cost != unreached && l.links == links-1 && (links == 1 || r.passes(int32(slot))) {
			list = append(list, int32(slot))
		}
	}
	slices.SortFunc(list, func(a, b int32) int {
		return cmp.Or(cmp.Compare(before[a].cost, before[b].cost), cmp.Compare(a, b))
	})
	return list
}

// passes reports whether a node may be a relay here.
func (r *tree) passes(slot int32) bool {
	return slot != 0 && r.t.vertices[slot].relay && !slices.Contains(r.banned, slot)
}

// relays appends the nodes of the cheapest path of up to so many links to a node, without this node, and with that one.
func (r *tree) relays(path []int32, slot int32, links int) []int32 {
	at := len(path)
	for links = r.legs[links][slot].links; links > 0; links-- {
		path = append(path, slot)
		slot = r.legs[links][slot].prev
	}
	slices.Reverse(path[at:])
	return path
}
