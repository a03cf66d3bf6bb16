package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
)

// strictHost makes a host as many come: it forwards nothing, by sysctl and by a firewall of its own.
func strictHost(h *lab.Host) error {
	ctx, cancel := context.WithTimeout(interrupted, patience)
	defer cancel()
	_, err := h.Run(ctx, "sh", "-ec", `sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0; `+strictRules)
	return err
}

// strictRules let pods out, and nothing into the overlay or out of it.
const strictRules = `nft 'add table inet mine; add chain inet mine forward { type filter hook forward priority 0; policy drop; }
	add rule inet mine forward iifname "weftbr0" oifname "eth0" accept; add rule inet mine forward ct state established accept'`

// hostState is all that the firewall's part of weft may change on a host.
func hostState(t *testing.T, n *cluster.Node) string {
	t.Helper()
	return shell(t, n, "nft -s list ruleset; sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.eth0.accept_ra")
}

func newStrictCluster(t *testing.T, flags ...string) *cluster.Cluster {
	t.Helper()
	for _, program := range []string{"nft", "sysctl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: run scripts/setup.sh", program)
		}
	}
	return newClusterOf(t, cluster.Options{Hosts: 2, Flags: flags, Prepare: strictHost})
}

// outsider is a host of the underlay that knows nothing of the overlay.
func outsider(t *testing.T, c *cluster.Cluster) *lab.Host {
	t.Helper()
	h, err := c.Host("outside")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestWhatLeavesTheOverlayGoesOnWithinFiveSecondsOfAFlushAndDownLeavesTheHostAsItWas(t *testing.T) {
	t.Parallel()
	c := newStrictCluster(t)
	n, outside := c.Nodes[0], outsider(t, c)
	before := hostState(t, n)
	startAll(t, c)
	list := pods(t, c)
	pingAll(t, list)
	for _, addr := range outside.Addrs() {
		awaitPing(t, list[0], addr)
	}

	for _, damage := range []string{"nft flush ruleset", "nft flush ruleset; " + strictRules, "nft delete table inet weft; nft flush chain inet mine forward; " + strictRules} {
		mark, start := markLog(t, n), time.Now()
		shell(t, n, damage)
		for _, addr := range outside.Addrs() {
			awaitPing(t, list[0], addr)
		}
		took := time.Since(start)
		if t.Logf("%s: pods reach the outside again after %v", damage, took.Round(time.Millisecond)); took > backWithin {
			t.Errorf("%s: pods reached the outside after %v", damage, took)
		}
		pingAll(t, list)
		await(t, func() (bool, string) {
			return count(mark.lines(t), "node.firewall.changed") > 0, "the log does not say so"
		})
		if said := mark.lines(t); count(said, "node.firewall.changed") > mostOfOne {
			t.Errorf("the log says it more than once:\n%s", strings.Join(said, "\n"))
		}
	}

	if _, err := n.Weft(within(t, patience), "down", "--config", n.Config()); err != nil {
		t.Fatal(err)
	}
	shell(t, n, "test ! -e "+n.Dir()+"/run/sysctls.json")
	if after := hostState(t, n); after != before {
		t.Errorf("'weft down' left\n%s\nand before it was\n%s", after, before)
	}
}

func TestWithFirewallAndForwardingOffTheHostIsLeftAlone(t *testing.T) {
	t.Parallel()
	c := newStrictCluster(t)
	n := c.Nodes[0]
	before := hostState(t, n)
	startAll(t, c)
	await(t, func() (bool, string) {
		now := hostState(t, n)
		return strings.Contains(now, "table inet weft") && strings.Contains(now, "net.ipv4.ip_forward = 1"), now
	})
	if err := n.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if now := hostState(t, n); !strings.Contains(now, "table inet weft") {
		t.Errorf("a stop takes the table away:\n%s", now)
	}
	if err := n.Up("--firewall", "off", "--forwarding", "off"); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	await(t, func() (bool, string) {
		now := hostState(t, n)
		return now == before, fmt.Sprintf("the host is\n%s\nand was\n%s", now, before)
	})
}

func TestAnOldIptablesIsInStatusUntilItsRemedyIsRun(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("iptables-legacy"); err != nil {
		t.Skip("iptables-legacy is not installed: run scripts/setup.sh")
	}
	c := newCluster(t, 2)
	startAll(t, c)
	n, list := c.Nodes[0], pods(t, c)
	shell(t, n, "iptables-legacy -P FORWARD DROP")
	awaitDegraded(t, n, "firewall", "iptables-legacy -I FORWARD -i weft0 -j ACCEPT")
	_, remedy, _ := strings.Cut(problem(t, n, "firewall"), "that table: ")
	shell(t, n, remedy)
	awaitNotDegraded(t, n, "firewall")
	awaitPing(t, list[0], list[1].Addr4())
}

// problem is what the node says of a subject.
func problem(t *testing.T, n *cluster.Node, what string) string {
	t.Helper()
	for _, note := range status(t, n).Node.Degraded {
		if note.What == what {
			return note.Reason
		}
	}
	t.Fatalf("%s says nothing of %s", n.Name(), what)
	return ""
}

// A container with an address of its own, and whoever has the node as its gateway, get to the overlay with the node's address.
func TestWhatIsNotOfTheOverlayEntersItWithTheNodesAddress(t *testing.T) {
	t.Parallel()
	c := newStrictCluster(t)
	n, outside := c.Nodes[0], outsider(t, c)
	startAll(t, c)
	pod := pods(t, c)[1]
	for i, own := range status(t, n).Node.Addresses {
		to, via := []netip.Addr{pod.Addr4(), pod.Addr6()}[i], n.Addrs()[i]
		if _, err := outside.Run(within(t, patience), "ip", "route", "add", to.String(), "via", via.String()); err != nil {
			t.Fatal(err)
		}
		if seen := sourceAt(t, pod, to, outside); seen != own {
			t.Errorf("the pod sees %v, want %v, the overlay address of %s", seen, own, n.Name())
		}
	}
	if drops := status(t, n).Node.Drops["foreign-source"]; drops != 0 {
		t.Errorf("%d packets were dropped as foreign", drops)
	}
}

// sourceAt is the source address that a pod sees of a connection from a host.
func sourceAt(t *testing.T, pod *lab.Pod, at netip.Addr, from *lab.Host) netip.Addr {
	t.Helper()
	var l net.Listener
	if err := pod.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(at, 0).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := from.Do(func() error {
		conn, err := net.DialTimeout("tcp", l.Addr().String(), patience)
		if err == nil {
			conn.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().Unmap()
}
