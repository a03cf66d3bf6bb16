package mesh

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

var lawsNow = time.UnixMilli(1_700_000_000_000)

// drawClaim draws a claim of one of few nodes for few prefixes, so that everything collides.
func drawClaim(t *rapid.T) *Claim {
	subnets := []string{"10.244.0.0/23", "10.244.0.0/24", "10.244.1.0/24", "10.244.1.128/25", "10.244.2.0/24", "10.245.0.0/24", "10.244.0.0/16"}
	routes := []string{"172.16.0.0/23", "172.16.0.0/24", "172.16.1.0/24", "127.0.0.0/8", "10.240.0.0/12", "10.244.1.0/24", "10.244.2.0/25"}
	draw := func(label string, prefixes []string) []netip.Prefix {
		return rapid.Map(rapid.SliceOfNDistinct(rapid.SampledFrom(prefixes), 0, 3, rapid.ID), func(list []string) []netip.Prefix {
			var out []netip.Prefix
			for _, p := range list {
				out = append(out, netip.MustParsePrefix(p))
			}
			return out
		}).Draw(t, label)
	}
	behind := draw("routes", routes)
	c, err := Sign(testIdentity(fmt.Sprint("law", rapid.IntRange(0, 4).Draw(t, "node"))), Claim{
		Version: rapid.Uint64Range(0, 3).Draw(t, "version"),
		Name:    rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name"),
		Kind:    rapid.SampledFrom([]Kind{KindStatic, KindAuto, KindK8s, 9}).Draw(t, "kind"),
		Network: []netip.Prefix{testNetwork}, Subnets: draw("subnets", subnets), Routes: behind, Cut: behind[:rapid.IntRange(0, len(behind)).Draw(t, "cut")],
		Since: lawsNow.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "since")) * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func drawClaims(t *rapid.T) []*Claim {
	return rapid.SliceOfN(rapid.Custom(drawClaim), 0, 8).Draw(t, "claims")
}

// drawSet draws one claim of each of some nodes.
func drawSet(t *rapid.T) []*Claim { return NewSet(drawClaims(t)...).Claims() }

// reaches says of each node how it is reached; others are not.
type reaches map[trust.Fingerprint]Reach

func (r reaches) of(id trust.Fingerprint) Reach { return r[id] }

func drawReaches(t *rapid.T, claims []*Claim, label string) reaches {
	r := reaches{}
	for _, c := range claims {
		r[c.id] = rapid.SampledFrom([]Reach{Unreached, Regained, Reached}).Draw(t, label)
	}
	return r
}

var lawsRules = Rules{Network: []netip.Prefix{testNetwork}}

func sameClaims(a, b []*Claim) bool {
	return slices.EqualFunc(a, b, func(x, y *Claim) bool { return x.digest == y.digest })
}

func TestMergeIsCommutativeAssociativeAndIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawClaims(t)
		shuffled := rapid.Permutation(claims).Draw(t, "order")
		split := rapid.IntRange(0, len(claims)).Draw(t, "split")
		whole := NewSet(claims...)
		left, right := NewSet(shuffled[:split]...), NewSet(shuffled[split:]...)
		for _, c := range left.Claims() { // whole sets merged, in any grouping
			right.Add(c)
		}
		if !sameClaims(whole.Claims(), right.Claims()) {
			t.Error("the order or the grouping of merges matters")
		}
		for _, c := range claims {
			if whole.Add(c) {
				t.Error("a claim that was merged changes the set again")
			}
		}
	})
}

func TestTheSetKeepsEveryKeysHighestVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawClaims(t)
		s := NewSet(claims...)
		for _, c := range claims {
			if got := s.Get(c.id); got == nil || got.Version < c.Version {
				t.Errorf("version %d of %s was lost", c.Version, c.id.Short())
			}
		}
		for _, c := range s.Claims() {
			if !s.Has(c.digest) {
				t.Error("the set does not know the digest of a claim that it holds")
			}
		}
		if len(s.digests) != s.Len() {
			t.Errorf("%d digests for %d claims", len(s.digests), s.Len())
		}
	})
}

func TestOwnershipDoesNotDependOnTheOrderOfClaims(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawSet(t)
		a, ac := Ownership(claims, lawsRules)
		b, bc := Ownership(rapid.Permutation(claims).Draw(t, "order"), lawsRules)
		if !maps.Equal(a, b) || !slices.Equal(ac, bc) {
			t.Errorf("%v %v and %v %v", a, ac, b, bc)
		}
	})
}

// claimed is a prefix of a claim.
type claimed struct {
	prefix netip.Prefix
	id     trust.Fingerprint
}

func losses(conflicts []Conflict) map[claimed]bool {
	lost := map[claimed]bool{}
	for _, c := range conflicts {
		lost[claimed{c.Prefix, c.Loser}] = true
	}
	return lost
}

// checkAssignment checks what holds for every assignment.
func checkAssignment(t *rapid.T, claims []*Claim, a Assignment, conflicts []Conflict) {
	routes := Gateways(claims, a, conflicts)
	for p, id := range a {
		for q, other := range a {
			if id != other && p.Overlaps(q) && (routes[p] == nil || routes[q] == nil) {
				t.Errorf("%v and %v overlap and have two owners, and are not both routes", p, q)
			}
		}
	}
	lost := losses(conflicts)
	for _, c := range claims {
		for _, p := range slices.Concat(c.Subnets, c.Routes) {
			has := a[p] == c.id || slices.Contains(routes[p], c)
			if has == lost[claimed{p, c.id}] {
				t.Errorf("%v of %s: has it %v, in conflict %v", p, c.id.Short(), has, !has)
			}
		}
	}
	for p, group := range routes {
		if !slices.ContainsFunc(group, func(c *Claim) bool { return c.id == a[p] }) {
			t.Errorf("route %v goes to %s, which does not lead to it", p, a[p].Short())
		}
	}
}

func TestAssignGivesEveryClaimedPrefixToItsClaimerOrNamesTheConflict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawSet(t)
		a, conflicts := Assign(nil, claims, lawsRules, drawReaches(t, claims, "reach").of)
		checkAssignment(t, claims, a, conflicts)
	})
}

func TestAssignNeverMovesASubnetAwayFromAReachedOwner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawSet(t)
		previous, _ := Assign(nil, before, lawsRules, drawReaches(t, before, "reach before").of)
		after := NewSet(append(slices.Clone(before), drawClaims(t)...)...)
		reach := drawReaches(t, after.Claims(), "reach after")
		got, conflicts := Assign(previous, after.Claims(), lawsRules, reach.of)
		checkAssignment(t, after.Claims(), got, conflicts)
		for p, id := range previous {
			subnets, _, _ := lawsRules.permitted(after.Get(id))
			if reach[id] != Unreached && slices.Contains(subnets, p) && got[p] != id {
				t.Errorf("%v was moved away from %s", p, id.Short())
			}
		}
	})
}

func TestAssignIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawSet(t)
		reach := drawReaches(t, claims, "reach")
		first, fc := Assign(nil, claims, lawsRules, reach.of)
		second, sc := Assign(first, rapid.Permutation(claims).Draw(t, "order"), lawsRules, reach.of)
		if !maps.Equal(first, second) || !slices.Equal(fc, sc) {
			t.Errorf("%v %v became %v %v", first, fc, second, sc)
		}
	})
}
