package mesh

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func TestAConflictReadsAsOneSentence(t *testing.T) {
	since := time.Date(2025, 3, 1, 12, 30, 0, 0, time.UTC)
	lost := Conflict{
		Kind: ConflictOverlap, Prefix: subnetOf(1), Loser: trust.Fingerprint{1}, LoserName: "vm-2",
		Owner: trust.Fingerprint{2}, OwnerName: "vm-1", Owned: netip.MustParsePrefix("10.244.0.0/23"), OwnerSince: since,
	}
	displaced, twins := lost, lost
	displaced.Kind = ConflictDisplaced
	twins.OwnerName = "vm-2"
	for want, c := range map[string]Conflict{
		"vm-2's claim of 10.244.1.0/24 does not count: vm-1 has 10.244.0.0/23 since 2025-03-01 12:30:00 UTC":                                       lost,
		"vm-2's claim of 10.244.1.0/24 does not count, as that node does not answer: vm-1 has 10.244.0.0/23 since 2025-03-01 12:30:00 UTC":         displaced,
		"vm-2 (0100000000000000)'s claim of 10.244.1.0/24 does not count: vm-2 (0200000000000000) has 10.244.0.0/23 since 2025-03-01 12:30:00 UTC": twins,
		"vm-2's claim of 192.0.2.0/24 is refused: it covers 192.0.2.1, an address of this host": {
			Kind: ConflictRefused, Prefix: netip.MustParsePrefix("192.0.2.0/24"), LoserName: "vm-2",
			Reason: "it covers 192.0.2.1, an address of this host",
		},
	} {
		if got := c.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestTheSentenceSaysSinceWhenTheOwnerClaims(t *testing.T) {
	owner, loser := claimOf(t, "a", KindStatic, time.Hour), claimOf(t, "b", KindStatic, 0)
	_, conflicts := Ownership([]*Claim{loser, owner}, lawsRules, lawsNow)
	if len(conflicts) != 1 || !conflicts[0].OwnerSince.Equal(owner.Since) || conflicts[0].OwnerName != "a" {
		t.Errorf("conflicts %+v", conflicts)
	}
}
