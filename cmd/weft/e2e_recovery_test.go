package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

func TestAKilledNodeIsWithdrawnAndComesBack(t *testing.T) {
	c := newCluster(t, 3)
	startAll(t, c)
	all := pods(t, c)
	pingAll(t, all)
	traffic, err := all[0].Start("ping", "-n", "-q", "-i", "0.2", all[2].Addr4().String())
	if err != nil {
		t.Fatal(err)
	}
	defer traffic.Kill()

	killed := time.Now()
	if err := c.Nodes[2].Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, c.Nodes[0], "vm-3", api.StateDown)
	awaitNoRoute(t, c.Nodes[0], status(t, c.Nodes[1]).Node.Subnets, subnetsOf(t, c.Nodes[0], "vm-3"))
	t.Logf("kill -9 to routes withdrawn: %v", time.Since(killed))
	if err := c.Nodes[2].Up(); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	pingAll(t, all)
}

func subnetsOf(t *testing.T, n *cluster.Node, peer string) []netip.Prefix {
	t.Helper()
	for _, p := range status(t, n).Peers {
		if p.Name == peer {
			return p.Subnets
		}
	}
	t.Fatalf("%s does not know %s", n.Name(), peer)
	return nil
}

// awaitNoRoute waits until the kernel routes kept and not gone to the device.
func awaitNoRoute(t *testing.T, n *cluster.Node, kept, gone []netip.Prefix) {
	t.Helper()
	await(t, func() (bool, string) {
		routes := kernelRoutes(t, n)
		for _, p := range kept {
			if !strings.Contains(routes, p.String()+" dev weft0") {
				return false, fmt.Sprintf("%s has no route to %s", n.Name(), p)
			}
		}
		for _, p := range gone {
			if strings.Contains(routes, p.String()+" dev weft0") {
				return false, fmt.Sprintf("%s still has a route to %s", n.Name(), p)
			}
		}
		return true, ""
	})
}

func kernelRoutes(t *testing.T, n *cluster.Node) string {
	t.Helper()
	four, err := n.Run(within(t, patience), "ip", "-4", "route")
	if err != nil {
		t.Fatal(err)
	}
	six, err := n.Run(within(t, patience), "ip", "-6", "route")
	if err != nil {
		t.Fatal(err)
	}
	return four + six
}

// await polls until ready is true.
func await(t *testing.T, ready func() (bool, string)) {
	t.Helper()
	ctx := within(t, patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, why := ready()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v: %s", patience, why)
		}
	}
}

func TestAnIsolatedNodeRejoinsByItself(t *testing.T) {
	c := newCluster(t, 3)
	startAll(t, c)
	all := pods(t, c)
	if err := c.Nodes[1].Isolate(); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, c.Nodes[0], "vm-2", api.StateDown)
	awaitPeer(t, c.Nodes[2], "vm-2", api.StateDown)
	if err := c.Nodes[1].Rejoin(); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	pingAll(t, all)
}

func TestAllNodesRestartingAtOnceFindEachOtherAgain(t *testing.T) {
	c := newCluster(t, 3)
	startAll(t, c)
	before := map[string][]netip.Prefix{}
	for _, n := range c.Nodes {
		before[n.Name()] = status(t, n).Node.Subnets
	}
	for _, n := range c.Nodes {
		if err := n.Kill(within(t, patience)); err != nil {
			t.Fatal(err)
		}
	}
	startAll(t, c)
	for _, n := range c.Nodes {
		if got := status(t, n).Node.Subnets; !slices.Equal(got, before[n.Name()]) {
			t.Errorf("%s owns %v after the restart, %v before", n.Name(), got, before[n.Name()])
		}
	}
	pingAll(t, pods(t, c))
}

func TestANodeThatChangesItsAddressIsFollowed(t *testing.T) {
	c := newCluster(t, 3)
	startAll(t, c)
	all := pods(t, c)
	old := c.Nodes[1].Addrs()
	if err := c.Nodes[1].ChangeAddress(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*cluster.Node{c.Nodes[0], c.Nodes[2]} {
		err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
			for _, p := range s.Peers {
				at, err := netip.ParseAddrPort(p.Endpoint)
				if p.Name == "vm-2" {
					return p.State == api.StateUp && err == nil && !slices.Contains(old, at.Addr()), "vm-2 is " + p.State + " at " + p.Endpoint
				}
			}
			return false, "vm-2 is not known"
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pingAll(t, all)
	err := c.Nodes[1].AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		for _, a := range s.Node.Advertised {
			if slices.Contains(old, a.Endpoint.Addr()) {
				return false, "it still advertises " + a.Endpoint.String()
			}
		}
		return len(s.Node.Advertised) > 0, "it advertises nothing"
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatSomebodyDeletesByHandIsBackWithinFiveSeconds(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	n, peer := c.Nodes[0], status(t, c.Nodes[1]).Node.Subnets
	own := status(t, n).Node.Addresses[0]
	for _, damage := range [][]string{
		{"ip", "route", "del", peer[0].String(), "dev", "weft0"},
		{"ip", "route", "del", "unreachable", "10.244.0.0/16"},
		{"ip", "address", "del", own.String() + "/32", "dev", "weft0"},
		{"ip", "link", "set", "weft0", "down"},
		{"ip", "link", "del", "weft0"},
	} {
		t.Run(strings.Join(damage, " "), func(t *testing.T) {
			whole := func() (bool, string) {
				text := kernelRoutes(t, n)
				addrs, err := n.Run(within(t, patience), "ip", "addr")
				if err != nil {
					return false, err.Error()
				}
				ok := strings.Contains(text, peer[0].String()+" dev weft0") && strings.Contains(text, "unreachable 10.244.0.0/16") &&
					strings.Contains(addrs, own.String()+"/32")
				return ok, text + addrs
			}
			await(t, whole)
			if _, err := n.Run(within(t, patience), damage...); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			await(t, whole)
			t.Logf("whole again after %v", time.Since(start))
			awaitPing(t, n, status(t, c.Nodes[1]).Node.Addresses[0])
		})
	}
}

func TestAStopLeavesTheDeviceAndSaysGoodbyeAndDownRemovesAll(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[1]
	stopped := time.Now()
	if err := n.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, c.Nodes[0], "vm-2", api.StateAway)
	t.Logf("away %v after SIGTERM", time.Since(stopped))
	routes := kernelRoutes(t, n)
	if !strings.Contains(routes, "dev weft0") || !strings.Contains(routes, "unreachable 10.244.0.0/16") {
		t.Errorf("routes after the stop:\n%s\nwant those of weft0 and the unreachable one", routes)
	}
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	awaitPing(t, n, status(t, c.Nodes[0]).Node.Addresses[0])

	if _, err := n.Weft(within(t, patience), "down", "--config", n.Config()); err != nil { // stops the daemon, too
		t.Fatal(err)
	}
	if n.Running() {
		t.Error("the daemon still runs after 'weft down'")
	}
	links, err := n.Run(within(t, patience), "ip", "link")
	if err != nil {
		t.Fatal(err)
	}
	if routes := kernelRoutes(t, n); strings.Contains(routes, "10.244.") || strings.Contains(routes, "fd10:244") || strings.Contains(links, "weft0") {
		t.Errorf("'weft down' left behind:\n%s%s", routes, links)
	}
	if _, err := n.Weft(within(t, patience), "down", "--config", n.Config()); err != nil {
		t.Errorf("a second 'weft down': %v", err)
	}
}

func TestARestartedDaemonAdoptsAddressesAndRoutesEvenWhenNobodyAnswers(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	n, peer := c.Nodes[1], status(t, c.Nodes[0]).Node
	own := status(t, n).Node
	if err := n.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := n.Isolate(); err != nil {
		t.Fatal(err)
	}
	watch, err := n.Start("ip", "monitor", "address", "route")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Kill()
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	text, err := watch.Stdout()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "Deleted") {
		t.Errorf("the start took something away:\n%s", text)
	}
	if routes := kernelRoutes(t, n); !strings.Contains(routes, peer.Subnets[0].String()+" dev weft0") {
		t.Errorf("the route to %s is gone:\n%s", peer.Subnets[0], routes)
	}
	if err := n.Rejoin(); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	if now := status(t, n).Node; !slices.Equal(now.Subnets, own.Subnets) {
		t.Errorf("subnets %v after the restart, %v before", now.Subnets, own.Subnets)
	}
	awaitPing(t, n, peer.Addresses[0])
}
