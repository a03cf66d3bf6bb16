package mesh

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// byRank sorts claims so that the one that owns comes first: k8s, static, auto; then the earlier first-claim time; then the
// smaller fingerprint. No clock of this host has a part in it, so that all nodes come to the same order: a time in the future
// comes after all that have passed by itself.
func byRank(claims []*Claim) []*Claim {
	sorted := slices.Clone(claims)
	slices.SortFunc(sorted, func(a, b *Claim) int {
		return cmp.Or(a.Kind.rank()-b.Kind.rank(), a.Since.Compare(b.Since), slices.Compare(a.id[:], b.id[:]))
	})
	return sorted
}

func (k Kind) rank() int {
	switch k {
	case KindK8s:
		return 0
	case KindStatic:
		return 1
	case KindAuto:
		return 2
	}
	return 3
}

// markDisplaced finds the subnets of unreached nodes whose place a reached one may take: one of kind k8s, or a static one
// whose host was installed anew. All unreached nodes give way there, not only the one that is replaced: else another
// dead one that ranks better would get the prefix.
func markDisplaced(wishes []wish) {
	dead := map[replacement]bool{}
	for _, w := range wishes {
		if !w.route && w.reach == Unreached && w.claim.Kind == KindStatic {
			dead[replacement{w.claim.Name, w.prefix}] = true
		}
	}
	var taken bart.Lite
	for _, w := range wishes {
		if w.route || w.reach <= Awaited {
			continue
		}
		anew := w.claim.Kind == KindStatic && dead[replacement{w.claim.Name, w.prefix}]
		if anew || w.claim.Kind == KindK8s {
			taken.Insert(w.prefix)
		}
	}
	for i, w := range wishes {
		if !w.route && w.reach == Unreached && taken.OverlapsPrefix(w.prefix) {
			wishes[i].turn = lastTurn
		}
	}
}

// replacement is what a host installed anew has in common with what it was.
type replacement struct {
	name   string
	prefix netip.Prefix
}
