package linkstate

import (
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

// extend makes of the cheapest paths of fewer links those of up to so many.
func (r *tree) extend(before []leg, links int) []leg {
	after := slices.Clone(before)
	for slot, l := range before {
		if l.cost == unreached || l.links != links-1 || links > 1 && !r.passes(int32(slot)) {
			continue
		}
		for _, e := range r.t.vertices[slot].edges {
			if cost := l.cost + e.cost; cost < after[e.to].cost {
				after[e.to] = leg{cost, int32(slot), links}
			}
		}
	}
	return after
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
