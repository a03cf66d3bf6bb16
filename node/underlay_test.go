package node

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func addr6Of(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i)) }

func subnet6Of(i int) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf("fd00:244:0:%d::/64", i))
}

// dual gives a node an overlay of both families.
func dual(i int) func(*config.Config) {
	return func(c *config.Config) {
		c.Network = append(c.Network, netip.MustParsePrefix("fd00:244::/48"))
		c.Subnet.Prefixes = append(c.Subnet.Prefixes, subnet6Of(i))
	}
}

func TestADualStackOverlayHasRoutesAndSourcesOfBothFamilies(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1, dual(1)), s.machine(2, dual(2))
		a.start()
		b.start()
		within(t, time.Second, "both route to both", joinedUp(a, b))
		want := []kernel.Route{
			{Prefix: subnetOf(2), MTU: 1440, Source: own(1)},
			{Prefix: subnet6Of(2), MTU: 1440, Source: subnet6Of(1).Addr().Next()},
		}
		if got := a.kernel.state().Routes; !slices.Equal(got, want) {
			t.Errorf("routes %+v, want %+v", got, want)
		}
		a.send(subnet6Of(1).Addr().Next(), subnet6Of(2).Addr().Next(), "six")
		within(t, time.Second, "the packet arrives", func() bool { return b.got("six") })
	})
}

func TestAnIPv6UnderlayCostsTwentyBytesMore(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1)
		b := s.machine(2, func(c *config.Config) { c.Join = []string{"[" + addr6Of(1).String() + "]:9338"} })
		a.host.Readdress(addr6Of(1))
		b.host.Readdress(addr6Of(2))
		a.start()
		b.start()
		within(t, time.Second, "both route to both", joinedUp(a, b))
		if r := a.kernel.state().Routes; r[0].MTU != 1500-80 {
			t.Errorf("routes %+v", r)
		}
		if !a.carries(b) || !b.carries(a) {
			t.Error("nothing goes through")
		}
	})
}

func TestNodesWithBothFamiliesSettleOnOnePathAndStayThere(t *testing.T) {
	for seed := range uint64(4) {
		o := simnet.Options{Seed: seed, Delay: 3 * time.Millisecond, Jitter: 5 * time.Millisecond}
		bubble(t, o, func(t *testing.T, s *site) {
			a, b := s.machine(1), s.machine(2)
			for _, m := range s.machines {
				m.host.Readdress(addrOf(m.number), addr6Of(m.number))
				m.start()
			}
			within(t, 2*time.Second, "both route to both", joinedUp(a, b))
			time.Sleep(2 * time.Second)
			at, back := a.peer("node-2").Endpoint, b.peer("node-1").Endpoint
			for range 60 {
				time.Sleep(time.Second)
				if x, y := a.peer("node-2").Endpoint, b.peer("node-1").Endpoint; x != at || y != back {
					t.Fatalf("seed %d: the path went from %s to %s, from %s to %s", seed, at, x, back, y)
				}
			}
			if strings.Contains(at, "[") != strings.Contains(back, "[") {
				t.Errorf("seed %d: a sends to %s, b to %s", seed, at, back)
			}
			if n := len(a.status().Node.Advertised); n != 2 {
				t.Errorf("%d addresses are advertised", n)
			}
		})
	}
}

func TestWhatIsConfiguredIsAdvertisedAndNothingElse(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1, func(c *config.Config) { c.Advertise = []netip.Addr{addrOf(11), addr6Of(11)} })
		b := s.machine(2, func(c *config.Config) { c.Listen = "192.0.2.2:9338" })
		a.host.Readdress(addrOf(1), addrOf(11), addr6Of(11))
		a.start()
		b.start()
		want := []api.Advertised{
			{Endpoint: netip.AddrPortFrom(addrOf(11), config.DefaultPort), Why: "configured (advertise)"},
			{Endpoint: netip.AddrPortFrom(addr6Of(11), config.DefaultPort), Why: "configured (advertise)"},
		}
		if got := a.status().Node.Advertised; !slices.Equal(got, want) {
			t.Errorf("a advertises %+v", got)
		}
		if got := b.status().Node.Advertised; len(got) != 1 || got[0].Endpoint.Addr() != addrOf(2) {
			t.Errorf("b advertises %+v", got)
		}
		within(t, 2*time.Second, "both route to both", joinedUp(a, b))
	})
}

func TestAClaimOverAnUnderlayAddressIsRefusedAndNamed(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		b.cfg.Routes = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // what the hosts themselves are in
		a.start()
		b.start()
		within(t, 2*time.Second, "both route to both", joinedUp(a, b))
		time.Sleep(2 * time.Second)
		if !joinedUp(a, b)() {
			t.Errorf("routes of a: %+v", a.kernel.state().Routes)
		}
		for _, m := range s.machines {
			notes := m.status().Node.Conflicts
			if len(notes) != 1 || notes[0].What != "192.0.2.0/24" || !strings.Contains(notes[0].Reason, "node-2") {
				t.Errorf("%s: conflicts %+v", m.cfg.Name, notes)
			}
		}
	})
}

func TestASmallerMTUIsFollowedWhenTheHostLearnsIt(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		_, b := s.pair()
		b.kernel.setMTU(1300)
		b.kernel.notify()
		for _, m := range s.machines {
			within(t, 2*time.Second, "the route has the smaller MTU", func() bool { return m.kernel.state().Routes[0].MTU == 1300-60 })
		}
	})
}

// Nodes die, stop, return and are cut off at random for minutes; then all of them must be whole again.
func TestAfterAnyWeatherAllNodesRouteToAllAgain(t *testing.T) {
	for seed := range uint64(3) {
		o := simnet.Options{Seed: seed, Delay: 2 * time.Millisecond, Jitter: 2 * time.Millisecond, Loss: 0.02}
		bubble(t, o, func(t *testing.T, s *site) {
			random := rand.New(rand.NewPCG(seed, 1))
			for i := range 4 {
				s.machine(i+1, func(c *config.Config) { c.Join = []string{addrOf(1).String(), addrOf(2).String()} }).start()
			}
			for range 25 {
				s.storm(random)
				time.Sleep(time.Duration(random.IntN(8000)) * time.Millisecond)
			}
			for _, m := range s.machines {
				for _, p := range s.machines {
					s.net.Heal(m.host, p.host)
				}
				if m.cancel == nil {
					m.start()
				}
			}
			took := within(t, 20*time.Second, "all route to all", joinedUp(s.machines...))
			t.Logf("seed %d: whole after %v", seed, took)
		})
	}
}

// storm does one thing to one machine, or to the path between two.
func (s *site) storm(random *rand.Rand) {
	m, p := s.machines[random.IntN(len(s.machines))], s.machines[random.IntN(len(s.machines))]
	switch what := random.IntN(6); {
	case m.cancel == nil:
		m.start()
	case what == 0:
		m.stop()
	case what == 1:
		m.kill()
	case what == 2 && m != p:
		s.net.Cut(m.host, p.host)
	case what == 3:
		s.net.Heal(m.host, p.host)
	case what == 4:
		m.kernel.plug(false)
	case what == 5:
		m.lastDevice().lose()
	}
}
