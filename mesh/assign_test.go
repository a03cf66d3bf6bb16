package mesh

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// claimOf is a claim of a node for 10.244.1.0/24, made an age ago.
func claimOf(t *testing.T, name string, kind Kind, age time.Duration) *Claim {
	t.Helper()
	return mustSign(t, name, Claim{
		Name: name, Kind: kind, Network: []netip.Prefix{testNetwork},
		Subnets: []netip.Prefix{subnetOf(1)}, Since: lawsNow.Add(-age),
	})
}

func everybody(trust.Fingerprint) Reach { return Reached }

func allBut(dead ...*Claim) func(trust.Fingerprint) Reach {
	return func(id trust.Fingerprint) Reach {
		for _, c := range dead {
			if c.id == id {
				return Unreached
			}
		}
		return Reached
	}
}

func TestK8sOwnsBeforeStaticBeforeAutoWhateverTheirAge(t *testing.T) {
	k8s, static, auto := claimOf(t, "a", KindK8s, 0), claimOf(t, "b", KindStatic, time.Hour), claimOf(t, "c", KindAuto, 2*time.Hour)
	for _, claims := range [][]*Claim{{k8s, static, auto}, {static, auto}} {
		got, conflicts := Ownership(claims, lawsRules)
		if got[subnetOf(1)] != claims[0].id || len(conflicts) != len(claims)-1 {
			t.Errorf("the owner is not the %v claim; conflicts %v", claims[0].Kind, conflicts)
		}
	}
}

func TestTheEarlierFirstClaimOwnsAndOneFromTheFutureComesAfterAll(t *testing.T) {
	early, late := claimOf(t, "a", KindStatic, 2*time.Hour), claimOf(t, "b", KindStatic, time.Hour)
	future := claimOf(t, "c", KindStatic, -2*time.Hour)
	got, _ := Ownership([]*Claim{future, late, early}, lawsRules)
	if got[subnetOf(1)] != early.id {
		t.Error("the earlier claim does not own")
	}
	got, _ = Ownership([]*Claim{future, late}, lawsRules)
	if got[subnetOf(1)] != late.id {
		t.Error("a claim from the future owns")
	}
}

func TestAnAssignedPrefixStaysWithItsReachableOwner(t *testing.T) {
	owner, better := claimOf(t, "a", KindAuto, 0), claimOf(t, "b", KindK8s, time.Hour)
	previous := Assignment{subnetOf(1): owner.id}
	got, conflicts := Assign(previous, []*Claim{owner, better}, lawsRules, everybody)
	if got[subnetOf(1)] != owner.id {
		t.Error("the prefix was moved")
	}
	if len(conflicts) != 1 || conflicts[0].Loser != better.id || conflicts[0].Owner != owner.id {
		t.Errorf("conflicts = %v", conflicts)
	}
	got, _ = Assign(previous, []*Claim{owner, better}, lawsRules, allBut(owner))
	if got[subnetOf(1)] != better.id {
		t.Error("the prefix stays with an owner that does not answer and has no right to it")
	}
}

func TestAnUnreachableOwnerKeepsItsPrefixAgainstALaterClaim(t *testing.T) {
	owner, later := claimOf(t, "a", KindStatic, time.Hour), claimOf(t, "b", KindStatic, 0)
	got, _ := Assign(Assignment{subnetOf(1): owner.id}, []*Claim{owner, later}, lawsRules, allBut(owner))
	if got[subnetOf(1)] != owner.id {
		t.Error("a later claim took the prefix of a dead owner")
	}
}

func TestAReinstalledHostTakesOverFromItsDeadSelf(t *testing.T) {
	old := claimOf(t, "a", KindStatic, time.Hour)
	again := mustSign(t, "new key", Claim{
		Name: "a", Kind: KindStatic, Network: []netip.Prefix{testNetwork}, Subnets: []netip.Prefix{subnetOf(1)}, Since: lawsNow,
	})
	for _, previous := range []Assignment{nil, {subnetOf(1): old.id}} {
		got, conflicts := Assign(previous, []*Claim{old, again}, lawsRules, allBut(old))
		if got[subnetOf(1)] != again.id {
			t.Error("the reinstalled host does not get its subnet")
		}
		if len(conflicts) != 1 || conflicts[0].Kind != ConflictDisplaced || conflicts[0].Loser != old.id {
			t.Errorf("conflicts = %v, want the old key displaced", conflicts)
		}
	}
	got, _ := Assign(nil, []*Claim{old, again}, lawsRules, everybody)
	if got[subnetOf(1)] != old.id {
		t.Error("the new key took the subnet of a live node")
	}
}

func TestAReinstalledHostTakesOverAlsoBeforeAThirdDeadClaimant(t *testing.T) {
	old, anew := claimOf(t, "b", KindStatic, 3*time.Hour), mustSign(t, "b, installed anew", Claim{
		Name: "b", Kind: KindStatic, Network: []netip.Prefix{testNetwork}, Subnets: []netip.Prefix{subnetOf(1)}, Since: lawsNow,
	})
	third := claimOf(t, "c", KindStatic, 2*time.Hour)
	got, _ := Assign(Assignment{subnetOf(1): old.id}, []*Claim{old, third, anew}, lawsRules, allBut(old, third))
	if got[subnetOf(1)] != anew.id {
		t.Errorf("the owner is %v", got[subnetOf(1)].Short())
	}
}

func TestAK8sClaimDisplacesADeadOwnerOfAnyPartOfIt(t *testing.T) {
	old := claimOf(t, "a", KindK8s, time.Hour)
	wide := mustSign(t, "b", Claim{
		Name: "b", Kind: KindK8s, Network: []netip.Prefix{testNetwork},
		Subnets: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/23")}, Since: lawsNow,
	})
	got, conflicts := Assign(Assignment{subnetOf(1): old.id}, []*Claim{old, wide}, lawsRules, allBut(old))
	if got[wide.Subnets[0]] != wide.id || len(got) != 1 || len(conflicts) != 1 || conflicts[0].Kind != ConflictDisplaced {
		t.Errorf("assignment %v, conflicts %v", got, conflicts)
	}
}

func TestPrefixesThatOverlapConflictThoughTheyDiffer(t *testing.T) {
	owner := claimOf(t, "a", KindStatic, time.Hour)
	for _, p := range []string{"10.244.0.0/23", "10.244.1.128/25"} {
		other := mustSign(t, "b", Claim{Name: "b", Kind: KindStatic, Network: []netip.Prefix{testNetwork},
			Subnets: []netip.Prefix{netip.MustParsePrefix(p)}, Since: lawsNow})
		got, conflicts := Ownership([]*Claim{owner, other}, lawsRules)
		if len(got) != 1 || len(conflicts) != 1 || conflicts[0].Owned != subnetOf(1) {
			t.Errorf("%s: assignment %v, conflicts %v", p, got, conflicts)
		}
	}
}
