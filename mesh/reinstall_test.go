package mesh

import (
	"net/netip"
	"testing"
	"time"
)

// takesOver starts heir when owner is dead to all of them, and wants it to have owner's subnet as soon as it is known.
func takesOver(t *testing.T, n *fakeNet, owner, heir *fakeHost, others ...*fakeHost) {
	t.Helper()
	for _, h := range others {
		within(t, 10*time.Second, "what is assigned counts", func() bool { return h.mesh.View().Established })
	}
	subnet, before := owner.subnets()[0], map[*fakeHost]Assignment{}
	for _, h := range others {
		before[h] = h.assign(nil)
		if before[h][subnet] != owner.fp() {
			t.Fatalf("at %v it does not go to its owner", h.addr)
		}
	}
	owner.crash()
	within(t, 30*time.Second, "the owner is dead", func() bool {
		for _, h := range others {
			if h.alive(owner) {
				return false
			}
		}
		return true
	})
	heir.start()
	took := within(t, time.Second, "the other has its subnet", func() bool {
		for _, h := range others {
			if h.assign(before[h])[subnet] != heir.fp() || h.assign(nil)[subnet] != heir.fp() {
				return false
			}
		}
		return true
	})
	t.Logf("took %v", took)
	for _, h := range others {
		if got := h.mesh.View().Conflicts; len(got) != 1 || got[0].Kind != ConflictDisplaced || got[0].Loser != owner.fp() {
			t.Errorf("at %v: conflicts %v, want that it is said", h.addr, got)
		}
	}
	within(t, testLease+company, "the conflict is over when the lease is", func() bool {
		for _, h := range others {
			if len(h.mesh.View().Conflicts) > 0 || h.assign(nil)[subnet] != heir.fp() {
				return false
			}
		}
		return true
	})
}

func TestAHostThatWasInstalledAnewHasItsSubnetAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := trio(t, n)
		anew := n.host(4, []int{1}, leased, func(cfg *Config) { cfg.Name, cfg.Subnet = c.cfg.Name, c.cfg.Subnet })
		takesOver(t, n, c, anew, a, b)
	})
}

func TestAPodSubnetThatKubernetesGaveToAnotherNodeMovesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		pods := func(cfg *Config) {
			cfg.Subnet = Subnet{Kind: KindK8s, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.244.77.0/24")}}
		}
		a, b, _ := trio(t, n)
		before, after := n.host(4, []int{1}, leased, pods), n.host(5, []int{1}, leased, pods)
		before.start()
		within(t, 5*time.Second, "all see it", allSee(a, b, before))
		takesOver(t, n, before, after, a, b)
	})
}
