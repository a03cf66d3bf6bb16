package mesh

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"
)

// clockTolerance is how far in the future a first-claim time may lie and still count: clocks of hosts differ.
const clockTolerance = time.Minute

// byRank sorts claims so that the one that owns comes first: k8s, static, auto; then the earlier first-claim time, where
// a time in the future comes last; then the smaller fingerprint.
func byRank(claims []*Claim, now time.Time) []*Claim {
	sorted := slices.Clone(claims)
	horizon := now.Add(clockTolerance)
	slices.SortFunc(sorted, func(a, b *Claim) int {
		if d := a.Kind.rank() - b.Kind.rank(); d != 0 {
			return d
		}
		if af, bf := a.Since.After(horizon), b.Since.After(horizon); af != bf {
			if af {
				return 1
			}
			return -1
		}
		if d := a.Since.Compare(b.Since); d != 0 {
			return d
		}
		return slices.Compare(a.id[:], b.id[:])
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
		if w.route || w.reach == Unreached {
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
