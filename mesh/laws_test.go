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
	routes := []string{"172.16.0.0/23", "172.16.0.0/24", "172.16.1.0/24", "127.0.0.0/8", "10.240.0.0/12"}
	draw := func(label string, prefixes []string) []netip.Prefix {
		return rapid.Map(rapid.SliceOfNDistinct(rapid.SampledFrom(prefixes), 0, 3, rapid.ID), func(list []string) []netip.Prefix {
			var out []netip.Prefix
			for _, p := range list {
				out = append(out, netip.MustParsePrefix(p))
			}
			return out
		}).Draw(t, label)
	}
	c, err := Sign(testIdentity(fmt.Sprint("law", rapid.IntRange(0, 4).Draw(t, "node"))), Claim{
		Version: rapid.Uint64Range(0, 3).Draw(t, "version"),
		Name:    rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name"),
		Kind:    rapid.SampledFrom([]Kind{KindStatic, KindAuto, KindK8s, 9}).Draw(t, "kind"),
		Network: []netip.Prefix{testNetwork}, Subnets: draw("subnets", subnets), Routes: draw("routes", routes),
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

func drawReachable(t *rapid.T, claims []*Claim, label string) map[trust.Fingerprint]bool {
	up := map[trust.Fingerprint]bool{}
	for _, c := range claims {
		up[c.id] = rapid.Bool().Draw(t, label)
	}
	return up
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
		a, ac := Ownership(claims, lawsRules, lawsNow)
		b, bc := Ownership(rapid.Permutation(claims).Draw(t, "order"), lawsRules, lawsNow)
		if !maps.Equal(a, b) || !slices.Equal(ac, bc) {
			t.Errorf("%v %v and %v %v", a, ac, b, bc)
		}
	})
}

// checkAssignment checks what holds for every assignment.
func checkAssignment(t *rapid.T, claims []*Claim, a Assignment, conflicts []Conflict) {
	type pair struct {
		prefix netip.Prefix
		id     trust.Fingerprint
	}
	lost := map[pair]bool{}
	for _, c := range conflicts {
		lost[pair{c.Prefix, c.Loser}] = true
	}
	for p, id := range a {
		for q, other := range a {
			if id != other && p.Overlaps(q) {
				t.Errorf("%v and %v overlap and have two owners", p, q)
			}
		}
	}
	for _, c := range claims {
		for _, p := range slices.Concat(c.Subnets, c.Routes) {
			if owns := a[p] == c.id; owns == lost[pair{p, c.id}] {
				t.Errorf("%v of %s: owned %v, in conflict %v", p, c.id.Short(), owns, !owns)
			}
		}
	}
}

func TestAssignGivesEveryClaimedPrefixToItsClaimerOrNamesTheConflict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawSet(t)
		up := drawReachable(t, claims, "up")
		a, conflicts := Assign(nil, claims, lawsRules, func(id trust.Fingerprint) bool { return up[id] }, lawsNow)
		checkAssignment(t, claims, a, conflicts)
	})
}

func TestAssignNeverMovesAPrefixAwayFromAReachableOwner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawSet(t)
		up := drawReachable(t, before, "up before")
		previous, _ := Assign(nil, before, lawsRules, func(id trust.Fingerprint) bool { return up[id] }, lawsNow)
		after := NewSet(append(slices.Clone(before), drawClaims(t)...)...)
		up = drawReachable(t, after.Claims(), "up after")
		got, conflicts := Assign(previous, after.Claims(), lawsRules, func(id trust.Fingerprint) bool { return up[id] }, lawsNow)
		checkAssignment(t, after.Claims(), got, conflicts)
		for p, id := range previous {
			allowed, _ := lawsRules.permitted(after.Get(id))
			if up[id] && slices.Contains(allowed, p) && got[p] != id {
				t.Errorf("%v was moved away from %s", p, id.Short())
			}
		}
	})
}

func TestAssignIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawSet(t)
		up := drawReachable(t, claims, "up")
		reachable := func(id trust.Fingerprint) bool { return up[id] }
		first, fc := Assign(nil, claims, lawsRules, reachable, lawsNow)
		second, sc := Assign(first, rapid.Permutation(claims).Draw(t, "order"), lawsRules, reachable, lawsNow)
		if !maps.Equal(first, second) || !slices.Equal(fc, sc) {
			t.Errorf("%v %v became %v %v", first, fc, second, sc)
		}
	})
}
