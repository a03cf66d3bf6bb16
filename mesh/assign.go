package mesh

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"github.com/weftnet/weft/trust"
)

// Assignment says which node each prefix goes to. No two nodes hold subnets that overlap, nor one a subnet and another a
// route; routes of two nodes may lie in each other, and the longest counts. Of the nodes that claim the same route it
// names the active one.
type Assignment map[netip.Prefix]trust.Fingerprint

// Ownership says who owns what: a function of the claims and of what rules forbid, not of any clock. The order of the claims
// does not matter.
func Ownership(claims []*Claim, rules Rules) (Assignment, []Conflict) {
	return Assign(nil, claims, rules, func(trust.Fingerprint) Reach { return Reached })
}

// Assign says where each prefix goes, given where it went before.
//
// A subnet stays with its owner while the owner claims it and is reached or awaited. Otherwise Ownership decides, but an owner that is
// not reached gives way to a reached claim of kind k8s, and to a static claim of the same name for the same prefix (a host
// installed anew).
//
// A route that several nodes claim goes to the best claim of those that are reached and reach its hosts; where there is none,
// of those that are reached. It stays there until that changes, or until a better claim was reached for long enough.
//
// What rules refuse to its claimer is nobody's, and was nobody's: previous does not help it. It is pure but for
// rules.Forbidden; the order of the claims does not matter. reach must say Reached for the node itself.
func Assign(previous Assignment, claims []*Claim, rules Rules, reach func(trust.Fingerprint) Reach) (Assignment, []Conflict) {
	a := assigner{result: Assignment{}, claims: map[trust.Fingerprint]*Claim{}, groups: map[netip.Prefix][]wish{}}
	wishes := a.wishes(claims, rules, reach)
	for _, w := range wishes {
		if previous[w.prefix] == w.claim.id && a.stays(w) {
			a.grant(w)
		}
	}
	for t := range turns {
		for _, w := range wishes {
			if w.turn == t {
				a.grant(w)
			}
		}
	}
	for _, w := range wishes {
		a.explain(w)
	}
	return a.result, sorted(a.conflicts)
}

// wish is one prefix that one claim asks for.
type wish struct {
	prefix netip.Prefix
	claim  *Claim
	route  bool // several nodes may lead to it; else a subnet, which one node owns
	reach  Reach
	turn   turn
}

// holding is a prefix that was granted.
type holding struct {
	owner trust.Fingerprint
	route bool
}

// excludes reports whether w cannot be granted beside h, which overlaps with it.
func (h holding) excludes(w wish) bool { return h.owner != w.claim.id && !(h.route && w.route) }

type assigner struct {
	result    Assignment
	table     bart.Table[holding] // as result
	claims    map[trust.Fingerprint]*Claim
	groups    map[netip.Prefix][]wish // of routes, best rank first
	conflicts []Conflict
}

// wishes lists what all claims ask for and may have, best rank first.
func (a *assigner) wishes(claims []*Claim, rules Rules, reach func(trust.Fingerprint) Reach) []wish {
	var wishes []wish
	for _, c := range byRank(claims) {
		subnets, routes, refused := rules.permitted(c)
		a.conflicts = append(a.conflicts, refused...)
		a.claims[c.id] = c
		reached := reach(c.id)
		for _, p := range subnets {
			wishes = append(wishes, wish{prefix: p, claim: c, reach: reached})
		}
		for _, p := range routes {
			w := wish{prefix: p, claim: c, reach: reached, route: true, turn: c.turn(p, reached)}
			wishes, a.groups[p] = append(wishes, w), append(a.groups[p], w)
		}
	}
	markDisplaced(wishes)
	return wishes
}

// stays reports whether w keeps the prefix that it had.
func (a *assigner) stays(w wish) bool {
	if w.route {
		return w.stays(a.groups[w.prefix])
	}
	return w.reach != Unreached
}

// grant gives w its prefix unless another node has it or excludes it.
func (a *assigner) grant(w wish) {
	_, held := a.result[w.prefix] // a route of which w is standby, or w's own already
	if _, taken := a.other(w); taken || held {
		return
	}
	a.result[w.prefix] = w.claim.id
	a.table.Insert(w.prefix, holding{w.claim.id, w.route})
}

// other finds a prefix of another node that excludes w's: the narrowest that covers it, else the first within it.
func (a *assigner) other(w wish) (netip.Prefix, bool) {
	for p, h := range a.table.Supernets(w.prefix) {
		if h.excludes(w) {
			return p, true
		}
	}
	for p, h := range a.table.Subnets(w.prefix) {
		if h.excludes(w) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// explain notes the conflict if w did not get its prefix.
func (a *assigner) explain(w wish) {
	owned, taken := a.other(w)
	if !taken {
		return
	}
	kind := ConflictOverlap
	if !w.route && w.turn == lastTurn {
		kind = ConflictDisplaced
	}
	owner := a.claims[a.result[owned]]
	a.conflicts = append(a.conflicts, Conflict{
		Kind: kind, Prefix: w.prefix, Loser: w.claim.id, LoserName: w.claim.Name,
		Owner: owner.id, OwnerName: owner.Name, Owned: owned, OwnerSince: owner.Since,
	})
}

// sorted is a list of conflicts by prefix and loser, each once; it uses the list's memory.
func sorted(list []Conflict) []Conflict {
	slices.SortFunc(list, func(x, y Conflict) int {
		if d := x.Prefix.Compare(y.Prefix); d != 0 {
			return d
		}
		return slices.Compare(x.Loser[:], y.Loser[:])
	})
	return slices.Compact(list)
}
