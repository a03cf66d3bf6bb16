package mesh

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	_, conflicts := Ownership([]*Claim{loser, owner}, lawsRules)
	if len(conflicts) != 1 || !conflicts[0].OwnerSince.Equal(owner.Since) || conflicts[0].OwnerName != "a" {
		t.Errorf("conflicts %+v", conflicts)
	}
}

func TestTwoNodesWithOneSubnetAreToldOnBothSides(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		same := func(c *Config) { c.Subnet.Prefixes = []netip.Prefix{subnetOf(1)} }
		a, b, c := n.host(1, nil, same), n.host(2, []int{1}, same), n.host(3, []int{1})
		a.start()
		time.Sleep(time.Second)
		b.start()
		c.start()
		within(t, 2*time.Second, "all see all", allSee(a, b, c))
		within(t, time.Second, "b is told", func() bool { return b.mesh.View().SelfState.Phase == SelfConflict })
		for _, h := range []*fakeHost{a, c} {
			v := h.mesh.View()
			if len(v.Conflicts) != 1 || v.Conflicts[0].LoserName != "node-2" || v.Conflicts[0].OwnerName != "node-1" {
				t.Errorf("%s: conflicts = %v, want node-2 losing to node-1", h.cfg.Name, v.Conflicts)
			}
			got, _ := v.Assign(nil, everybody)
			if got[subnetOf(1)] != a.fp() {
				t.Errorf("%s: the subnet goes to %s", h.cfg.Name, got[subnetOf(1)].Short())
			}
		}
		if v := b.mesh.View(); len(v.Conflicts) != 1 {
			t.Errorf("b: conflicts = %v", v.Conflicts)
		}
	})
}

func TestBothSidesOfAConflictNameTheSameLoserWhoeverStartedFirst(t *testing.T) {
	same := func(c *Config) { c.Subnet.Prefixes = []netip.Prefix{subnetOf(1)} }
	for name, order := range map[string][2]int{"the seed first": {1, 2}, "the seed last": {2, 1}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNet) {
				hosts := map[int]*fakeHost{1: n.host(1, nil, same), 2: n.host(2, []int{1}, same)}
				older, younger := hosts[order[0]], hosts[order[1]]
				older.start()
				time.Sleep(time.Minute)
				synctest.Wait()
				if older.mesh.View().Heard {
					t.Error("a node that is alone has heard somebody")
				}
				younger.start()
				within(t, 10*time.Second, "both see both", allSee(older, younger))
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, h := range hosts {
					v := h.mesh.View()
					if !v.Heard || len(v.Conflicts) != 1 || v.Conflicts[0].Owner != older.fp() || v.Conflicts[0].Loser != younger.fp() {
						t.Errorf("%s: heard %v, conflicts %v, want one that %s loses", h.cfg.Name, v.Heard, v.Conflicts, younger.cfg.Name)
					}
				}
			})
		})
	}
}

func TestAnOwnerKeepsItsPrefixAgainstABetterClaimOnceAPeerWasHeard(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		pinned := func(c *Config) { c.Movable = func([]netip.Prefix) bool { return false } }
		a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap, pinned)
		b := n.host(2, []int{1}, func(c *Config) { c.Subnet.Prefixes = nil })
		a.start()
		within(t, time.Second, "it owns", allOwn(a))
		b.start()
		within(t, 2*time.Second, "both see both", allSee(a, b))
		time.Sleep(incumbency + 10*time.Second) // what is assigned must have stood for a while
		c := n.host(3, []int{1}, func(c *Config) { c.Subnet.Prefixes = a.subnets() })
		c.start()
		within(t, 2*time.Second, "all see all", allSee(a, b, c))
		for _, h := range []*fakeHost{a, b} {
			if got := h.mesh.View().Conflicts; len(got) != 1 || got[0].Owner != a.fp() || got[0].Loser != c.fp() {
				t.Errorf("%s: conflicts %v, want that node-1 keeps its subnet", h.cfg.Name, got)
			}
		}
	})
}

func TestTwoThatClaimOneSubnetInTheSameMomentAreRankedAlikeByAll(t *testing.T) {
	for seed := range 8 {
		bubble(t, func(t *testing.T, n *fakeNet) {
			same := func(c *Config) { c.Subnet.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.244.50.0/24")} }
			a := n.host(10*seed+1, nil, auto("10.244.0.0/16", 24), bootstrap)
			b, c := n.host(10*seed+2, []int{10*seed + 1}, same), n.host(10*seed+3, []int{10*seed + 1}, same)
			a.start()
			within(t, time.Second, "it owns", allOwn(a))
			b.start()
			c.start()
			within(t, 5*time.Second, "all see all", allSee(a, b, c))
			time.Sleep(time.Minute)
			synctest.Wait()
			want := a.mesh.View().Conflicts
			for _, h := range []*fakeHost{a, b, c} {
				got := h.mesh.View().Conflicts
				if len(got) != 1 || len(want) != 1 || got[0].Owner != want[0].Owner || got[0].Loser != want[0].Loser {
					t.Errorf("%s: conflicts %v, node 1 says %v", h.cfg.Name, got, want)
				}
			}
		})
	}
}

func TestAClaimThatBecomesForbiddenIsRefusedWithinSeconds(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		var forbidden atomic.Bool
		a := n.host(1, nil, func(c *Config) {
			c.Forbidden = func(p netip.Prefix, _ trust.Fingerprint) string {
				if forbidden.Load() && p == subnetOf(2) {
					return "it covers the underlay address 10.244.2.9"
				}
				return ""
			}
		})
		b := n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		if got := a.mesh.View().Conflicts; len(got) != 0 {
			t.Fatalf("conflicts %v", got)
		}
		forbidden.Store(true)
		within(t, 6*time.Second, "it is refused", func() bool {
			got := a.mesh.View().Conflicts
			return len(got) == 1 && got[0].Kind == ConflictRefused && got[0].LoserName == "node-2"
		})
		forbidden.Store(false)
		within(t, 6*time.Second, "it is allowed again", func() bool { return len(a.mesh.View().Conflicts) == 0 })
	})
}
