package mesh

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

func drawNetwork(t *rapid.T) (netip.Prefix, int) {
	if rapid.Bool().Draw(t, "v6") {
		bits := rapid.IntRange(8, 120).Draw(t, "network bits")
		p := netip.PrefixFrom(netip.MustParseAddr("fd00:244::"), bits).Masked()
		return p, rapid.IntRange(bits+1, 128).Draw(t, "subnet bits")
	}
	bits := rapid.IntRange(8, 30).Draw(t, "network bits")
	p := netip.PrefixFrom(netip.MustParseAddr("10.244.0.0"), bits).Masked()
	return p, rapid.IntRange(bits+1, 32).Draw(t, "subnet bits")
}

func TestAPickedSubnetLiesInTheNetworkAndIsFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		network, bits := drawNetwork(t)
		var taken []netip.Prefix
		for range rapid.IntRange(0, 20).Draw(t, "taken") {
			self := trust.Fingerprint{byte(rapid.IntRange(0, 255).Draw(t, "who"))}
			wide := rapid.IntRange(network.Bits()+1, bits).Draw(t, "width")
			p, ok := pickSubnet(self, network, bits, overlapIn(taken))
			if !ok {
				return
			}
			if p.Bits() != bits || !covers(network, p) || p != p.Masked() || overlapIn(taken)(p).IsValid() {
				t.Fatalf("picked %v in %v with %v taken", p, network, taken)
			}
			p, _ = p.Addr().Prefix(wide)
			taken = append(taken, p)
		}
	})
}

func overlapIn(taken []netip.Prefix) func(netip.Prefix) netip.Prefix {
	return func(p netip.Prefix) netip.Prefix {
		for _, q := range taken {
			if p.Overlaps(q) {
				return q
			}
		}
		return netip.Prefix{}
	}
}

func TestPickingFillsTheWholePoolAndThenSaysFull(t *testing.T) {
	network := netip.MustParsePrefix("10.244.0.0/20")
	var taken []netip.Prefix
	for i := range 16 {
		p, ok := pickSubnet(trust.Fingerprint{byte(i)}, network, 24, overlapIn(taken))
		if !ok {
			t.Fatalf("full after %d of 16", i)
		}
		taken = append(taken, p)
	}
	if p, ok := pickSubnet(trust.Fingerprint{99}, network, 24, overlapIn(taken)); ok {
		t.Errorf("picked %v of a full pool", p)
	}
}

func TestPickingSkipsAWideClaimInOneStep(t *testing.T) {
	network := netip.MustParsePrefix("fd00:244::/32")
	asked := 0
	half := netip.MustParsePrefix("fd00:244::/33")
	for i := range 50 {
		p, ok := pickSubnet(trust.Fingerprint{byte(i)}, network, 64, func(p netip.Prefix) netip.Prefix {
			asked++
			return overlapIn([]netip.Prefix{half})(p)
		})
		if !ok || half.Overlaps(p) {
			t.Fatalf("picked %v %v", p, ok)
		}
	}
	if asked > 100 {
		t.Errorf("asked %d times for 50 subnets", asked)
	}
}

func auto(network string, bits int) func(*Config) {
	return func(c *Config) {
		c.Network = []netip.Prefix{netip.MustParsePrefix(network)}
		c.Subnet = Subnet{Kind: KindAuto, Bits4: bits}
	}
}

func bootstrap(c *Config) { c.Bootstrap = true }

// allOwn waits until all own subnets, all different, and all know it.
func allOwn(hosts ...*fakeHost) func() bool {
	return func() bool {
		taken := map[netip.Prefix]bool{}
		for _, h := range hosts {
			own := h.subnets()
			if len(own) != 1 || taken[own[0]] {
				return false
			}
			taken[own[0]] = true
		}
		return allSee(hosts...)()
	}
}

func TestAnAutoNodeClaimsNothingBeforeAPeerAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		b := n.host(2, []int{1}, auto("10.244.0.0/16", 24))
		b.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if v := b.mesh.View(); v.Self != nil || v.SelfState.Phase != SelfWaiting || v.SelfState.Reason == "" {
			t.Errorf("self %v, state %+v, want waiting", v.Self, v.SelfState)
		}
		a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap)
		a.start()
		took := within(t, 10*time.Second, "both own", allOwn(a, b))
		t.Logf("took %v", took)
	})
}

func TestABootstrapNodeOwnsItsSubnetAlone(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap)
		a.start()
		took := within(t, time.Second, "it owns", allOwn(a))
		if took < 250*time.Millisecond {
			t.Errorf("it owned after %v, before it had settled", took)
		}
		if s := a.mesh.View().SelfState; s.Phase != SelfOwner {
			t.Errorf("state %+v", s)
		}
	})
}

func TestAutoNodesThatStartTogetherFillASmallPool(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		var hosts []*fakeHost
		for i := 1; i <= 8; i++ {
			hosts = append(hosts, n.host(i, []int{1, 2}, auto("10.244.0.0/21", 24)))
		}
		for _, h := range hosts {
			h.start()
		}
		took := within(t, 10*time.Second, "all own", allOwn(hosts...))
		t.Logf("took %v", took)
		late := n.host(9, []int{1}, auto("10.244.0.0/21", 24))
		late.start()
		within(t, 3*time.Second, "the ninth says full", func() bool { return late.mesh.View().SelfState.Phase == SelfFull })
		if late.mesh.View().Self != nil || !allOwn(hosts...)() {
			t.Error("the ninth took a subnet of another")
		}
	})
}

func TestAnAutoNodeKeepsItsSubnetOverARestart(t *testing.T) {
	for _, kept := range []bool{true, false} {
		bubble(t, func(t *testing.T, n *fakeNet) {
			a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap)
			b := n.host(2, []int{1}, auto("10.244.0.0/16", 24))
			if kept {
				b.cfg.StateDir = t.TempDir()
			}
			a.start()
			b.start()
			within(t, 3*time.Second, "both own", allOwn(a, b))
			before := b.mesh.View().Self
			b.crash()
			time.Sleep(time.Minute)
			b.start()
			within(t, 3*time.Second, "both own", allOwn(a, b))
			after := b.mesh.View().Self
			if !slices.Equal(before.Subnets, after.Subnets) || !before.Since.Equal(after.Since) || after.Version <= before.Version && !kept {
				t.Errorf("with state kept %v: %v since %v became %v since %v", kept, before.Subnets, before.Since, after.Subnets, after.Since)
			}
		})
	}
}

func TestARestartedAutoNodeOwnsItsKeptSubnetWithoutPeers(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap)
		b := n.host(2, []int{1}, auto("10.244.0.0/16", 24))
		b.cfg.StateDir = t.TempDir()
		a.start()
		b.start()
		within(t, 3*time.Second, "both own", allOwn(a, b))
		before := b.subnets()
		a.crash()
		b.crash()
		b.start()
		within(t, time.Second, "b owns", func() bool { return slices.Equal(b.subnets(), before) })
	})
}

func TestAnAutoNodeThatMayNotMoveStaysInAConflictAndSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		pinned := func(c *Config) { c.Movable = func([]netip.Prefix) bool { return false } }
		a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap, pinned)
		a.start()
		within(t, time.Second, "it owns", allOwn(a))
		own := a.subnets()
		b := n.host(2, []int{1}, func(c *Config) { c.Subnet.Prefixes = own })
		b.start()
		within(t, 3*time.Second, "a says so", func() bool { return a.mesh.View().SelfState.Phase == SelfConflict })
		if !slices.Equal(a.subnets(), own) {
			t.Error("a moved")
		}
	})
}

func TestAnAutoNodeGivesWayToAStaticOne(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap)
		a.start()
		within(t, time.Second, "it owns", allOwn(a))
		own := a.subnets()
		b := n.host(2, []int{1}, func(c *Config) { c.Subnet.Prefixes = own })
		b.start()
		within(t, 3*time.Second, "a moved", func() bool { return allOwn(a, b)() && !slices.Equal(a.subnets(), own) })
	})
}

func TestAnAutoNodeOwnsOneSubnetInEachNetwork(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		both := func(c *Config) {
			c.Network = []netip.Prefix{testNetwork, netip.MustParsePrefix("fd00:244::/48")}
			c.Subnet = Subnet{Kind: KindAuto}
		}
		a, b := n.host(1, nil, both, bootstrap), n.host(2, []int{1}, both)
		a.start()
		b.start()
		within(t, 3*time.Second, "both own", func() bool { return len(a.subnets()) == 2 && len(b.subnets()) == 2 && allSee(a, b)() })
		for i, bits := range []int{24, 64} {
			pa, pb := a.subnets()[i], b.subnets()[i]
			if pa.Bits() != bits || pb.Bits() != bits || pa.Overlaps(pb) || !covers(a.cfg.Network[i], pa) || !covers(a.cfg.Network[i], pb) {
				t.Errorf("subnets %v and %v of %v", pa, pb, a.cfg.Network[i])
			}
		}
	})
}

func TestAnAutoNodeAvoidsWhatIsForbidden(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		free := netip.MustParsePrefix("10.244.3.0/24")
		a := n.host(1, nil, auto("10.244.0.0/21", 24), bootstrap, func(c *Config) {
			c.Forbidden = func(p netip.Prefix, _ trust.Fingerprint) string {
				if p != free {
					return "it covers an underlay address"
				}
				return ""
			}
		})
		a.start()
		within(t, time.Second, "it owns the only one allowed", func() bool { return slices.Equal(a.subnets(), []netip.Prefix{free}) })
	})
}
