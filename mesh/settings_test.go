package mesh

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// settings are those that the host started with, edited.
func (h *fakeHost) settings(edit func(*Settings)) Settings {
	s := Settings{Subnet: h.cfg.Subnet, Bootstrap: h.cfg.Bootstrap, Routes: h.cfg.Routes, Seeds: h.cfg.Seeds}
	edit(&s)
	return s
}

func (h *fakeHost) set(edit func(*Settings)) {
	h.net.t.Helper()
	if err := h.mesh.Set(h.settings(edit)); err != nil {
		h.net.t.Fatal(err)
	}
}

// claimedAt is what o has of h's claim.
func (h *fakeHost) claimedAt(o *fakeHost) (subnets, routes []netip.Prefix) {
	if m, ok := o.member(h); ok && m.Claim != nil {
		return m.Claim.Subnets, m.Claim.Routes
	}
	return nil, nil
}

func TestASeedThatIsAddedIsCalledAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, nil)
		a.start()
		b.start()
		b.set(func(s *Settings) { s.Seeds = []string{a.addr.String()} })
		within(t, 100*time.Millisecond, "both see both", allSee(a, b))
		if seeds := b.mesh.View().Seeds; len(seeds) != 1 || seeds[0].Peer != a.cfg.Name {
			t.Errorf("seeds %+v", seeds)
		}
	})
}

func TestASeedThatIsTakenOutIsCalledNoMoreAndWhoWasMetThroughItStays(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, gone := n.host(1, nil), n.host(9, nil)
		b := n.host(2, []int{1, 9})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		within(t, 5*time.Second, "the one that is not there is called", func() bool { return n.dialed(gone) > 0 })
		b.set(func(s *Settings) { s.Seeds = nil })
		time.Sleep(10 * time.Second) // what was under way
		before := n.dialed(gone)
		time.Sleep(5 * time.Minute)
		if after := n.dialed(gone); after != before {
			t.Errorf("%d calls to a seed that was taken out", after-before)
		}
		if !b.alive(a) || len(b.mesh.View().Seeds) != 0 {
			t.Errorf("a is alive: %v; seeds %+v", b.alive(a), b.mesh.View().Seeds)
		}
	})
}

func TestChangedSubnetsAndRoutesAreClaimedInPlaceOfTheOld(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		subnets, routes := []netip.Prefix{subnetOf(77)}, []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}
		b.set(func(s *Settings) { s.Subnet.Prefixes, s.Routes = subnets, routes })
		within(t, time.Second, "a has the new claim", func() bool {
			s, r := b.claimedAt(a)
			return slices.Equal(s, subnets) && slices.Equal(r, routes)
		})
		b.set(func(*Settings) {})
		within(t, time.Second, "a has the old one again", func() bool {
			s, r := b.claimedAt(a)
			return slices.Equal(s, b.cfg.Subnet.Prefixes) && len(r) == 0
		})
	})
}

func TestASubnetMayBecomeAutomaticAndBack(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		b.set(func(s *Settings) { s.Subnet = Subnet{Kind: KindAuto, Bits4: 26} })
		within(t, 5*time.Second, "b has found a /26", func() bool {
			s, _ := b.claimedAt(a)
			return len(s) == 1 && s[0].Bits() == 26 && slices.Equal(b.subnets(), s)
		})
		found := b.subnets()
		b.set(func(s *Settings) { s.Subnet = Subnet{Kind: KindAuto, Bits4: 26, Bits6: 80} })
		time.Sleep(5 * time.Second)
		if !slices.Equal(b.subnets(), found) {
			t.Errorf("the size of IPv6 subnets moved it from %v to %v", found, b.subnets())
		}
		b.set(func(*Settings) {})
		within(t, time.Second, "b has its own again", func() bool {
			s, _ := b.claimedAt(a)
			return slices.Equal(s, b.cfg.Subnet.Prefixes)
		})
	})
}

func TestBootstrapMayBeGivenToANodeThatWaits(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, []int{9}, func(c *Config) { c.Subnet = Subnet{Kind: KindAuto} })
		a.start()
		time.Sleep(time.Minute)
		if got := a.subnets(); got != nil {
			t.Fatalf("it took %v although nobody answered", got)
		}
		a.set(func(s *Settings) { s.Bootstrap = true })
		within(t, 5*time.Second, "it has a subnet", func() bool { return len(a.subnets()) == 1 })
	})
}

func TestSettingsThatCannotBeChangeNothing(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil)
		a.start()
		within(t, time.Second, "it has a claim", func() bool { return len(a.subnets()) == 1 })
		before := a.mesh.View().Self
		for name, edit := range map[string]func(*Settings){
			"subnet outside the network": func(s *Settings) { s.Subnet.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")} },
			"route over loopback":        func(s *Settings) { s.Routes = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} },
			"seed":                       func(s *Settings) { s.Seeds = []string{"a:b:c"} },
			"size":                       func(s *Settings) { s.Subnet = Subnet{Kind: KindAuto, Bits4: 8} },
		} {
			s := a.settings(func(s *Settings) { s.Bootstrap = true })
			edit(&s)
			if err := a.mesh.Set(s); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if after := a.mesh.View().Self; after != before {
			t.Errorf("claim %+v became %+v", before, after)
		}
	})
}
