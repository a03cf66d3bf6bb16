package node

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

var (
	siteLAN  = netip.MustParsePrefix("172.20.0.0/24")
	siteHost = netip.MustParseAddr("172.20.0.7")
)

// unrelayed makes a node one that is nobody's relay.
func unrelayed(c *config.Config) { c.Relay = config.RelayRefuse }

// gateway makes a node lead to 172.20.0.0/24.
func gateway(c *config.Config) { c.Routes = []netip.Prefix{siteLAN} }

// routesOf is what 'weft routes' says of 172.20.0.0/24, the active one first.
func (m *machine) routesOf(lan netip.Prefix) []api.Route {
	m.t.Helper()
	list, err := m.node.Routes()
	must(m.t, err)
	return slices.DeleteFunc(list, func(r api.Route) bool { return r.Prefix != lan })
}

// active is the name of the node to which m sends packets for 172.20.0.0/24; "" for none.
func (m *machine) active() string {
	m.t.Helper()
	list := m.routesOf(siteLAN)
	if len(list) == 0 || list[0].Role != api.RoleActive || list[0].State != "in force" {
		return ""
	}
	return list[0].Owner
}

// awaitActive waits until m sends packets for 172.20.0.0/24 to gw, and checks that one arrives. It returns how long it took.
func awaitActive(t *testing.T, limit time.Duration, m, gw *machine) time.Duration {
	t.Helper()
	took := within(t, limit, gw.cfg.Name+" is active for "+m.cfg.Name, func() bool { return m.active() == gw.cfg.Name })
	m.send(own(m.number), siteHost, "to the site")
	within(t, time.Second, "the packet arrives", func() bool { return gw.got("to the site") })
	return took
}

// fromSite says whether m takes a packet of a host of the site that leaves it by gw.
func (m *machine) fromSite(gw *machine) bool {
	m.t.Helper()
	gw.send(siteHost, own(m.number), "from the site by "+gw.cfg.Name)
	for range 100 {
		if m.got("from the site by " + gw.cfg.Name) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// twoGateways starts node 1, which uses the site, and nodes 2 and 3, which lead to it; 2 claimed first.
func twoGateways(t *testing.T, s *site, changes ...func(*config.Config)) (user, first, second *machine) {
	t.Helper()
	leads := append(slices.Clone(changes), gateway)
	user, first, second = s.machine(1, changes...), s.machine(2, leads...), s.machine(3, leads...)
	user.start()
	first.start()
	awaitActive(t, 2*time.Second, user, first)
	second.start()
	within(t, 2*time.Second, "the user knows both", func() bool { return len(user.routesOf(siteLAN)) == 2 })
	time.Sleep(steady + 2*time.Second) // all paths count
	return user, first, second
}

func TestBothGatewaysOfASiteCarryItsPacketsAndOneIsActive(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		user, first, second := twoGateways(t, s)
		awaitActive(t, time.Second, user, first)
		for _, gw := range []*machine{first, second} {
			if !user.fromSite(gw) {
				t.Errorf("a packet of the site by %s is not taken", gw.cfg.Name)
			}
			if routes := gw.kernel.state().Routes; slices.ContainsFunc(routes, func(r kernel.Route) bool { return r.Prefix == siteLAN }) {
				t.Errorf("%s sends its own packets for the site into the overlay: %+v", gw.cfg.Name, routes)
			}
			if got := gw.kernel.state().LANs; !slices.Equal(got, []netip.Prefix{siteLAN}) {
				t.Errorf("%s: networks behind it are %v", gw.cfg.Name, got)
			}
			if notes := gw.status().Node; len(notes.Conflicts)+len(notes.Degraded) != 0 {
				t.Errorf("%s: conflicts %v, degraded %v", gw.cfg.Name, notes.Conflicts, notes.Degraded)
			}
		}
		b := second.status().Node.Routes
		want := api.Behind{Prefix: siteLAN, Role: api.RoleStandby, Active: "node-2", Standby: []string{"node-3"}, Reached: true, Reason: "node-2 comes first"}
		if len(b) != 1 || !slices.Equal(b[0].Standby, want.Standby) || b[0].Role != want.Role || b[0].Active != want.Active || b[0].Reason != want.Reason || !b[0].Reached {
			t.Errorf("the standby says %+v, want %+v", b, want)
		}
		if r := user.routesOf(siteLAN); r[0].Via != "weft0" || r[0].MTU != 1440 || r[1].State != "standby" || r[1].Reason != "node-2 comes first" {
			t.Errorf("routes %+v", r)
		}
	})
}

func TestTheStandbyTakesOverWithinTwoSecondsAndGivesBackOnceTheFirstWasThereForAWhile(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		user, first, second := twoGateways(t, s)
		talk := time.NewTicker(20 * time.Millisecond)
		defer talk.Stop()
		first.kill()
		killed := time.Now()
		for user.active() != "node-3" {
			<-talk.C
			user.send(own(1), siteHost, "are you there?")
			if time.Since(killed) > 3*time.Second {
				t.Fatal("no takeover in 3 s")
			}
		}
		t.Logf("taken over after %v", time.Since(killed))
		awaitActive(t, time.Second, user, second)
		if r := user.routesOf(siteLAN); r[0].Reason != "in the place of node-2: it is not reached" {
			t.Errorf("reason %q", r[0].Reason)
		}
		time.Sleep(time.Minute)
		first.start()
		within(t, 3*time.Second, "the first is back", func() bool { return user.peer("node-2").State == api.StateUp })
		back := time.Now()
		if user.active() != "node-3" || !user.fromSite(first) {
			t.Error("the route is back at once, or the first may not send")
		}
		awaitActive(t, steady+tidyPeriod+time.Second, user, first)
		if kept := time.Since(back); kept < steady {
			t.Errorf("given back after %v, want %v", kept, steady)
		}
	})
}

func TestAGatewayThatStopsIsReplacedAtOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		user, first, second := twoGateways(t, s)
		first.stop()
		if took := awaitActive(t, time.Second, user, second); took > 200*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestAGatewayThatComesAndGoesMovesTheRouteOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		user, first, second := twoGateways(t, s, unrelayed)
		s.net.Cut(user.host, first.host)
		awaitActive(t, 20*time.Second, user, second)
		for range 5 {
			s.net.Heal(user.host, first.host)
			within(t, 10*time.Second, "it is reached", func() bool { return user.peer("node-2").State == api.StateUp })
			time.Sleep(steady / 2)
			s.net.Cut(user.host, first.host)
			within(t, 20*time.Second, "it is not reached", func() bool { return user.peer("node-2").State != api.StateUp })
			if got := user.active(); got != "node-3" {
				t.Fatalf("active is %q", got)
			}
		}
	})
}

// One node does not reach the first gateway, another does: each uses the one that it reaches, and takes packets from both.
func TestNodesThatReachDifferentGatewaysEachUseTheirs(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		user, first, second := twoGateways(t, s, unrelayed)
		other := s.machine(4, unrelayed)
		other.start()
		awaitActive(t, 3*time.Second, other, first)
		s.net.Cut(user.host, first.host)
		awaitActive(t, 20*time.Second, user, second)
		awaitActive(t, time.Second, other, first)
		if !user.fromSite(second) || !other.fromSite(first) || !other.fromSite(second) {
			t.Error("a packet of the site is not taken")
		}
	})
}

func TestAGatewayThatLosesItsOwnWayToTheSiteIsReplacedAndSaysSo(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		user, first, second := twoGateways(t, s)
		first.kernel.cutOff(siteLAN)
		took := awaitActive(t, 2*time.Second, user, second)
		t.Logf("taken over after %v", took)
		notes := first.status().Node.Degraded
		if len(notes) != 1 || notes[0].What != "route "+siteLAN.String() || !strings.Contains(notes[0].Reason, "ip route add 172.20.0.0/24") {
			t.Errorf("degraded: %+v", notes)
		}
		if b := first.status().Node.Routes; len(b) != 1 || b[0].Reached || b[0].Role != api.RoleStandby {
			t.Errorf("it says %+v", b)
		}
		awaitActive(t, time.Second, first, second) // its own packets, too
		first.kernel.cutOff()
		within(t, time.Second, "it is well", func() bool { return len(first.status().Node.Degraded) == 0 })
		time.Sleep(steady / 2)
		if got := user.active(); got != "node-3" {
			t.Errorf("active is %q right after the way is back", got)
		}
		awaitActive(t, steady+2*tidyPeriod, user, first)
	})
}

func TestAWayThatComesAndGoesIsCutUntilItWasThereForAWhile(t *testing.T) {
	lans, other := []netip.Prefix{siteLAN, netip.MustParsePrefix("172.21.0.0/24")}, netip.MustParsePrefix("172.21.0.0/24")
	var b behind
	start := time.Now()
	for i, step := range []struct {
		at        time.Duration
		unreached []netip.Prefix
		want      []netip.Prefix
	}{
		{0, []netip.Prefix{other}, []netip.Prefix{other}}, // what is there at the start counts at once
		{time.Second, nil, []netip.Prefix{other}},
		{time.Second + steady - 1, nil, []netip.Prefix{other}},
		{time.Second + steady, nil, nil},
		{time.Minute, lans, lans},
		{time.Minute + time.Second, []netip.Prefix{other}, lans},
		{time.Minute + 2*time.Second, lans, lans},
		{time.Minute + 3*time.Second, nil, lans},
		{time.Minute + 2*time.Second + steady, nil, lans},
		{time.Minute + 3*time.Second + steady, nil, nil},
	} {
		if got := b.look(lans, step.unreached, start.Add(step.at)); !slices.Equal(got, step.want) {
			t.Errorf("step %d: cut %v, want %v", i, got, step.want)
		}
	}
}

func TestASiteMayLieInsideTheNetwork(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		inside := netip.MustParsePrefix("10.244.200.0/24")
		user, gw := s.machine(1), s.machine(2, func(c *config.Config) { c.Routes = []netip.Prefix{inside} })
		user.start()
		gw.start()
		host := netip.MustParseAddr("10.244.200.7")
		within(t, 2*time.Second, "the site is routed", func() bool { return len(user.kernel.state().Routes) == 2 })
		user.send(own(1), host, "inside")
		within(t, time.Second, "the packet arrives", func() bool { return gw.got("inside") })
		gw.send(host, own(1), "back")
		within(t, time.Second, "the answer arrives", func() bool { return user.got("back") })
		if got := gw.kernel.state(); len(got.Own) != 1 || len(got.Addresses) != 1 || !slices.Equal(got.LANs, []netip.Prefix{inside}) {
			t.Errorf("state %+v", got)
		}
		if got := user.peer("node-2").Addrs; !slices.Equal(got, []netip.Addr{own(2)}) {
			t.Errorf("its addresses are %v", got)
		}
	})
}

// Two gateways may be reached in the very network that they lead to, by each other; a third node there is in the way.
func TestARouteOverTheGatewaysOwnUnderlayIsAllowedUntilItCoversAnotherNode(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		underlay := func(c *config.Config) { c.Routes = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")} }
		first, second := s.machine(1, underlay), s.machine(2, underlay)
		first.start()
		second.start()
		within(t, 2*time.Second, "both route to both", joinedUp(first, second))
		for _, m := range s.machines {
			if got := m.status().Node.Conflicts; len(got) != 0 {
				t.Errorf("%s: conflicts %+v", m.cfg.Name, got)
			}
		}
		third := s.machine(3)
		third.start()
		within(t, 4*time.Second, "all route to all", joinedUp(s.machines...))
		for _, m := range s.machines {
			within(t, tidyPeriod+time.Second, "it is refused", func() bool {
				notes := m.status().Node.Conflicts
				return len(notes) == 2 && strings.Contains(notes[0].Reason, "it covers 192.0.2.")
			})
		}
	})
}

func TestARouteThatAReloadTakesAwayLeavesNothingBehind(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		user, gw := s.machine(1), s.machine(2)
		user.start()
		gw.start()
		within(t, 2*time.Second, "both route to both", joinedUp(user, gw))
		gw.kernel.cutOff(siteLAN)
		_, err := gw.reload(gateway)
		must(t, err)
		awaitActive(t, 2*time.Second, user, gw) // the only one, although it is cut off
		within(t, time.Second, "it says so", func() bool { return len(gw.status().Node.Degraded) == 1 })
		_, err = gw.reload(func(c *config.Config) { c.Routes = nil })
		must(t, err)
		within(t, 2*time.Second, "the route is gone", func() bool { return joinedUp(user, gw)() && len(user.routesOf(siteLAN)) == 0 })
		if n := gw.status().Node; len(n.Degraded) != 0 || len(n.Routes) != 0 || len(gw.kernel.state().LANs) != 0 {
			t.Errorf("degraded %+v, routes %+v, LANs %v", n.Degraded, n.Routes, gw.kernel.state().LANs)
		}
	})
}
