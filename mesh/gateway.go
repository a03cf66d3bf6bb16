package mesh

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/trust"
)

// Reach says how a node is reached, for routes: they go to a node that is reached, and return to an earlier one only after
// that was reached for a while.
type Reach uint8

// The states, worst first.
const (
	Unreached Reach = iota
	Awaited         // not reached since our restart, which was a moment ago: keeps its subnets, and carries no route
	Regained        // reached, but not for long
	Reached
)

// turn says when a wish is heard: all of one turn before those of the next, and within a turn by rank.
type turn uint8

const (
	firstTurn turn = iota // subnets; routes of nodes that are reached and reach the route's hosts
	cutTurn               // routes of nodes that are reached, but do not reach the route's hosts themselves
	lastTurn              // routes of nodes that are not reached; subnets whose place another node takes
	turns
)

// turn is when a claim of a route is heard.
func (c *Claim) turn(route netip.Prefix, reach Reach) turn {
	switch {
	case reach <= Awaited:
		return lastTurn
	case slices.Contains(c.Cut, route):
		return cutTurn
	}
	return firstTurn
}

// stays reports whether a route stays with w, where it went before. group are all wishes for that route by rank. The route
// moves when another node is better placed to carry it, and back when a better claim was reached for long enough.
func (w wish) stays(group []wish) bool {
	before := true // what comes now has the better claim
	for _, other := range group {
		if other.claim == w.claim {
			before = false
			continue
		}
		if other.turn < w.turn || before && other.turn == w.turn && other.reach == Reached {
			return false
		}
	}
	return w.turn != lastTurn
}

// Gateways lists for each route of an assignment the nodes that lead to it, best claim first: the one that the assignment
// names is active, the others are standby and may carry packets from there as well. claims and conflicts are those of the
// assignment.
func Gateways(claims []*Claim, a Assignment, conflicts []Conflict) map[netip.Prefix][]*Claim {
	type loss struct {
		prefix netip.Prefix
		id     trust.Fingerprint
	}
	lost := make(map[loss]bool, len(conflicts))
	for _, c := range conflicts {
		lost[loss{c.Prefix, c.Loser}] = true
	}
	gateways := map[netip.Prefix][]*Claim{}
	for _, c := range byRank(claims) {
		for _, p := range c.Routes {
			_, assigned := a[p]
			if assigned && !lost[loss{p, c.id}] && !slices.Contains(c.Subnets, p) && !slices.Contains(gateways[p], c) {
				gateways[p] = append(gateways[p], c)
			}
		}
	}
	return gateways
}
