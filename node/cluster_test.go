package node

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func TestTwoNodesFindEachOtherWithinASecondAndCarryPackets(t *testing.T) {
	for name, encryption := range map[string]bool{"sealed": true, "clear": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				mode := func(c *config.Config) { c.Encryption = encryption }
				a, b := s.machine(1, mode), s.machine(2, mode)
				a.start()
				b.start()
				took := within(t, time.Second, "both route to both", joinedUp(a, b))
				t.Logf("took %v", took)
				if !a.carries(b) || !b.carries(a) {
					t.Error("nothing goes through")
				}
				if p := a.peer("node-2"); p.Sealed != encryption || p.State != api.StateUp {
					t.Errorf("a says %+v", p)
				}
			})
		})
	}
}

func TestThreeNodesFindEachOtherWithinASecondOfTheLastStart(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.machine(1), s.machine(2), s.machine(3)
		a.start()
		time.Sleep(1300 * time.Millisecond)
		b.start()
		time.Sleep(700 * time.Millisecond)
		c.start()
		took := within(t, time.Second, "all route to all", joinedUp(a, b, c))
		t.Logf("took %v", took)
		for _, m := range s.machines {
			for _, p := range s.machines {
				if m != p && !m.carries(p) {
					t.Errorf("%s does not reach %s", m.cfg.Name, p.cfg.Name)
				}
			}
		}
	})
}

func TestNodesThatStartBeforeTheirSeedFindItWhenItComes(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.machine(1), s.machine(2), s.machine(3)
		b.start()
		c.start()
		time.Sleep(10 * time.Minute)
		a.start()
		took := within(t, 6*time.Second, "all route to all", joinedUp(a, b, c))
		t.Logf("took %v", took)
	})
}

func TestTheKernelGetsTheGuardFirstAndThenAddressesAndRoutesWithMTUAndSource(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		b.kernel.mtu = 1400
		b.cfg.Routes = []netip.Prefix{netip.MustParsePrefix("172.20.0.0/16")}
		a.start()
		if len(a.kernel.guarded) != 1 || a.kernel.guarded[0] != a.cfg.Network[0] {
			t.Errorf("guarded is %v", a.kernel.guarded)
		}
		b.start()
		within(t, time.Second, "both are routed", func() bool {
			return len(a.kernel.state().Routes) == 2 && len(b.kernel.state().Routes) == 1
		})
		got := a.kernel.state()
		if got.Device != "weft0" || got.MTU != 1500-60 || len(got.Own) != 1 || got.Own[0] != subnetOf(1) || got.Addresses[0] != own(1) {
			t.Errorf("state %+v", got)
		}
		for i, prefix := range []netip.Prefix{subnetOf(2), b.cfg.Routes[0]} {
			want := kernel.Route{Prefix: prefix, MTU: 1400 - 60, Source: own(1)} // IPv4, UDP, header, counter, tag: 60
			if got.Routes[i] != want {
				t.Errorf("route %+v, want %+v", got.Routes[i], want)
			}
		}
		if r := b.kernel.state().Routes; len(r) != 1 || r[0] != (kernel.Route{Prefix: subnetOf(1), MTU: 1400 - 60, Source: own(2)}) {
			t.Errorf("b: routes %+v", r)
		}
	})
}

func TestRoutesToANodeThatWasKilledAreWithdrawnAndComeBackWithIt(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.trio()
		c.kill()
		took := within(t, 8*time.Second, "c is routed by nobody", func() bool { return a.routes(b) && b.routes(a) })
		t.Logf("idle: withdrawn after %v", took)
		if p := a.peer("node-3"); p.State != api.StateDown || p.Reason == "" {
			t.Errorf("a says %+v", p)
		}
		if !a.carries(b) {
			t.Error("the others do not reach each other")
		}
		time.Sleep(time.Minute)
		c.start()
		took = within(t, 2*time.Second, "all route to all", joinedUp(a, b, c))
		t.Logf("back after %v", took)
	})
}

func TestRoutesToAKilledNodeThatIsTalkedToAreWithdrawnWithin3Seconds(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.pair()
		talk := time.NewTicker(20 * time.Millisecond)
		defer talk.Stop()
		time.Sleep(10 * time.Second)
		b.kill()
		end := time.Now().Add(3 * time.Second)
		for len(a.kernel.state().Routes) > 0 {
			<-talk.C
			a.send(own(1), own(2), "are you there?")
			if time.Now().After(end) {
				t.Fatal("still routed after 3 s")
			}
		}
	})
}

func TestAStopSaysAwayAndItsRoutesGoAtOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.trio()
		before := c.kernel.state()
		c.stop()
		within(t, 100*time.Millisecond, "c is routed by nobody", func() bool { return a.routes(b) && b.routes(a) })
		for _, m := range []*machine{a, b} {
			within(t, time.Second, "c is away", func() bool { return m.peer("node-3").State == api.StateAway })
		}
		if after := c.kernel.state(); len(after.Routes) != len(before.Routes) || after.Device != before.Device {
			t.Errorf("the stop took routes away: %+v", after)
		}
		time.Sleep(time.Minute)
		if p := a.peer("node-3"); p.State != api.StateAway {
			t.Errorf("a minute later it is %s", p.State)
		}
		c.start()
		within(t, 2*time.Second, "all route to all", joinedUp(a, b, c))
	})
}

func TestAPartitionWithdrawsRoutesOnBothSidesAndHealsByItself(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.trio()
		s.net.Cut(a.host, c.host)
		s.net.Cut(b.host, c.host)
		took := within(t, 20*time.Second, "c is alone", func() bool { return a.routes(b) && b.routes(a) && c.routes() })
		t.Logf("apart after %v", took)
		time.Sleep(5 * time.Minute)
		s.net.Heal(a.host, c.host)
		s.net.Heal(b.host, c.host)
		took = within(t, 10*time.Second, "all route to all", joinedUp(a, b, c))
		t.Logf("healed after %v", took)
		if !a.carries(c) || !c.carries(b) {
			t.Error("nothing goes through")
		}
	})
}

func TestAllNodesRestartedAtOnceFindEachOtherWithinASecond(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		for i := range 3 {
			s.machine(i + 1).start()
		}
		within(t, 2*time.Second, "all route to all", joinedUp(s.machines...))
		time.Sleep(time.Minute)
		for _, m := range s.machines {
			m.kill()
		}
		for _, m := range s.machines {
			m.start()
		}
		took := within(t, time.Second, "all route to all", joinedUp(s.machines...))
		t.Logf("took %v", took)
		time.Sleep(30 * time.Second) // the runs before are declared dead meanwhile
		if !joinedUp(s.machines...)() {
			t.Error("routes were lost later")
		}
	})
}

func TestANodeWhoseAddressChangesStaysRouted(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.trio()
		c.host.Readdress(addrOf(33))
		c.kernel.notify()
		want := netip.AddrPortFrom(addrOf(33), config.DefaultPort).String()
		within(t, time.Second, "a and b have the new address", func() bool {
			return a.peer("node-3").Endpoint == want && b.peer("node-3").Endpoint == want
		})
		for range 20 {
			time.Sleep(time.Second)
			if !joinedUp(a, b, c)() {
				t.Fatal("routes were lost")
			}
		}
		if got := c.status().Node.Advertised; len(got) != 1 || got[0].Endpoint.String() != want {
			t.Errorf("c advertises %+v", got)
		}
		if got := c.peer("node-1").SeesUs; got != want {
			t.Errorf("a sees c as %s", got)
		}
		if !a.carries(c) || !c.carries(b) {
			t.Error("nothing goes through")
		}
	})
}
