package mesh

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"github.com/weftnet/weft/trust"
)

// Assignment says which node each prefix goes to. No two nodes hold prefixes that overlap.
type Assignment map[netip.Prefix]trust.Fingerprint

// Ownership says who owns what: a function of the claims alone (and of the time only in that a claim from the future
// ranks last, and of what rules forbid). The order of the claims does not matter.
func Ownership(claims []*Claim, rules Rules, now time.Time) (Assignment, []Conflict) {
	return Assign(nil, claims, rules, func(trust.Fingerprint) bool { return true }, now)
}

// Assign says where each prefix goes, given where it went before. A prefix stays with its owner while the owner claims it
// and is reachable. Otherwise Ownership decides, but an owner that is not reachable gives way to a reachable claim of kind
// k8s, and to a static claim of the same name for the same prefix (a host installed anew). What rules refuse to its claimer
// is nobody's, and was nobody's: previous does not help it. It is pure but for rules.Forbidden; the order of the claims
// does not matter. reachable must say true for the node itself.
func Assign(previous Assignment, claims []*Claim, rules Rules, reachable func(trust.Fingerprint) bool, now time.Time) (Assignment, []Conflict) {
	a := assigner{result: Assignment{}, claims: map[trust.Fingerprint]*Claim{}}
	wishes := a.wishes(claims, rules, reachable, now)
	for _, w := range wishes {
		if previous[w.prefix] == w.claim.id && w.reachable {
			a.grant(w)
		}
	}
	for _, last := range []bool{false, true} {
		for _, w := range wishes {
			if w.displaced == last {
				a.grant(w)
			}
		}
	}
	for _, w := range wishes {
		a.explain(w)
	}
	a.sortConflicts()
	return a.result, a.conflicts
}

// wish is one prefix that one claim asks for.
type wish struct {
	prefix    netip.Prefix
	claim     *Claim
	reachable bool
	displaced bool // not reachable, and a claim that may take its place is there: comes last
}

type assigner struct {
	result    Assignment
	table     bart.Table[trust.Fingerprint] // as result
	claims    map[trust.Fingerprint]*Claim
	conflicts []Conflict
}

// wishes lists what all claims ask for and may have, best rank first.
func (a *assigner) wishes(claims []*Claim, rules Rules, reachable func(trust.Fingerprint) bool, now time.Time) []wish {
	var wishes []wish
	for _, c := range byRank(claims, now) {
		allowed, refused := rules.permitted(c)
		a.conflicts = append(a.conflicts, refused...)
		a.claims[c.id] = c
		up := reachable(c.id)
		for _, p := range allowed {
			wishes = append(wishes, wish{prefix: p, claim: c, reachable: up})
		}
	}
	markDisplaced(wishes)
	return wishes
}

// grant gives w its prefix unless another node has it or a part of it.
func (a *assigner) grant(w wish) {
	if _, taken := a.other(w); !taken {
		a.result[w.prefix] = w.claim.id
		a.table.Insert(w.prefix, w.claim.id)
	}
}

// other finds a prefix of another node that overlaps with w's: the narrowest that covers it, else the first within it.
func (a *assigner) other(w wish) (netip.Prefix, bool) {
	for p, owner := range a.table.Supernets(w.prefix) {
		if owner != w.claim.id {
			return p, true
		}
	}
	for p, owner := range a.table.Subnets(w.prefix) {
		if owner != w.claim.id {
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
	if w.displaced {
		kind = ConflictDisplaced
	}
	owner := a.claims[a.result[owned]]
	a.conflicts = append(a.conflicts, Conflict{
		Kind: kind, Prefix: w.prefix, Loser: w.claim.id, LoserName: w.claim.Name,
		Owner: owner.id, OwnerName: owner.Name, Owned: owned, OwnerSince: owner.Since,
	})
}

func (a *assigner) sortConflicts() {
	slices.SortFunc(a.conflicts, func(x, y Conflict) int {
		if d := x.Prefix.Compare(y.Prefix); d != 0 {
			return d
		}
		return slices.Compare(x.Loser[:], y.Loser[:])
	})
	a.conflicts = slices.Compact(a.conflicts)
}
