package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// siteRoutes are the networks of newSite, for the flag --routes.
const siteRoutes = "172.20.0.0/24,fd20::/64"

var siteLAN4 = netip.MustParsePrefix("172.20.0.0/24")

// newSite makes a LAN with one host in it, 172.20.0.7 and fd20::7, that is not on the underlay, and plugs the gateways in: the
// first has 172.20.0.1 and fd20::1 on lan0, and so on.
func newSite(t *testing.T, l *lab.Lab, gateways ...*lab.Host) *lab.Host {
	t.Helper()
	box, err := l.Host("printer")
	if err != nil {
		t.Fatal(err)
	}
	runAll(t, box, "ip link del eth0", "ip link add lan type bridge mcast_snooping 0", "ip link set lan up",
		"ip address add 172.20.0.7/24 dev lan", "ip address add fd20::7/64 dev lan nodad")
	for i, g := range gateways {
		port := fmt.Sprintf("port%d", i+1)
		runAll(t, g, fmt.Sprintf("ip link add lan0 type veth peer name %s netns %s", port, box.FullName()))
		runAll(t, box, fmt.Sprintf("ip link set %s master lan up", port))
		runAll(t, g, "ip link set lan0 up", fmt.Sprintf("ip address add 172.20.0.%d/24 dev lan0", i+1),
			fmt.Sprintf("ip address add fd20::%d/64 dev lan0 nodad", i+1))
	}
	return box
}

// way makes gateway number i the way from the site's host to the overlay.
func way(t *testing.T, box *lab.Host, i int) {
	t.Helper()
	runAll(t, box, fmt.Sprintf("ip route replace 10.244.0.0/16 via 172.20.0.%d", i), fmt.Sprintf("ip route replace fd10:244::/48 via fd20::%d", i))
}

func runAll(t *testing.T, on pinger, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if _, err := on.Run(within(t, patience), strings.Fields(c)...); err != nil {
			t.Fatal(err)
		}
	}
}

// place is a host or pod.
type place interface {
	pinger
	Do(func() error) error
}

// witness answers datagrams to addr with the address that they came from, until the test ends. It returns where.
func witness(t *testing.T, at place, addr netip.Addr) string {
	t.Helper()
	var conn *net.UDPConn
	err := at.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			_, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort([]byte(from.Addr().Unmap().String()), from) // the sender tries again
		}
	}()
	return conn.LocalAddr().String()
}

func dial(t *testing.T, from place, to string) net.Conn {
	t.Helper()
	var conn net.Conn
	err := from.Do(func() (err error) {
		conn, err = net.Dial("udp", to)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// checkSeen sends from one place to a witness at another, and checks that it saw want.
func checkSeen(t *testing.T, from, at place, addr, want netip.Addr) {
	t.Helper()
	checkAnswer(t, from, witness(t, at, addr), want)
}

// checkAnswer sends to a witness until it answers, and checks that it saw want.
func checkAnswer(t *testing.T, from place, to string, want netip.Addr) {
	t.Helper()
	conn, buf := dial(t, from, to), make([]byte, 100)
	await(t, func() (bool, string) {
		if _, err := conn.Write([]byte("who am I?")); err != nil {
			return false, fmt.Sprintf("%s to %s: %v", from.Name(), to, err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := conn.Read(buf)
		if err != nil {
			return false, fmt.Sprintf("%s to %s: %v", from.Name(), to, err)
		}
		if got := string(buf[:n]); got != want.String() {
			t.Errorf("%s sees %s as %s, want %s", to, from.Name(), got, want)
		}
		return true, ""
	})
}

// checkBothWays checks that pod and site reach each other in both directions, over both families, as who they are.
func checkBothWays(t *testing.T, pod *lab.Pod, box *lab.Host) {
	t.Helper()
	for _, x := range []struct{ pod, box netip.Addr }{
		{pod.Addr4(), netip.MustParseAddr("172.20.0.7")},
		{pod.Addr6(), netip.MustParseAddr("fd20::7")},
	} {
		checkSeen(t, pod, box, x.box, x.pod)
		checkSeen(t, box, pod, x.pod, x.box)
	}
}

// awaitActive waits until a node sends packets for the site to the peer of that name.
func awaitActive(t *testing.T, n *cluster.Node, name string) {
	t.Helper()
	await(t, func() (bool, string) {
		routes, err := api.NewClient(n.Socket()).Routes(within(t, patience))
		if err != nil {
			return false, err.Error()
		}
		for _, r := range routes {
			if r.Prefix == siteLAN4 && r.Role == api.RoleActive && r.State == "in force" {
				return r.Owner == name, fmt.Sprintf("%s uses %s: %s", n.Name(), r.Owner, r.Reason)
			}
		}
		return false, fmt.Sprintf("%s has no route to the site: %+v", n.Name(), routes)
	})
}

// beat sends a datagram every 5 ms and notes the answers.
type beat struct {
	answers atomic.Int64
	longest atomic.Int64 // time between two answers, in nanoseconds
}

func startBeat(ctx context.Context, conn net.Conn) *beat {
	b := new(beat)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			_, _ = conn.Write([]byte("beat")) // what is refused on the way is what is measured
			<-tick.C
		}
	}()
	go b.count(ctx, conn)
	return b
}

func (b *beat) count(ctx context.Context, conn net.Conn) {
	buf, last := make([]byte, 100), time.Time{}
	for ctx.Err() == nil {
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := conn.Read(buf); err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		now := time.Now()
		if gap := now.Sub(last); !last.IsZero() && int64(gap) > b.longest.Load() {
			b.longest.Store(int64(gap))
		}
		last = now
		b.answers.Add(1)
	}
}

// more waits for further answers.
func (b *beat) more(t *testing.T) {
	t.Helper()
	before := b.answers.Load()
	await(t, func() (bool, string) { return b.answers.Load() > before+10, "no answers from the site" })
}

// gap is the longest pause so far; the next one starts from zero.
func (b *beat) gap() time.Duration { return time.Duration(b.longest.Swap(0)).Round(time.Millisecond) }

// The site's replies leave it by the second gateway all the time: its router cannot know which one weft uses.
func TestASiteBehindTwoGatewaysIsReachedThroughWhicheverIsUpAndKeepsItsAddresses(t *testing.T) {
	c := newCluster(t, 3)
	user, first, second := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	box := newSite(t, c.Lab, first.Host, second.Host)
	for _, start := range []error{user.Up(), first.Up("--routes", siteRoutes)} {
		if start != nil {
			t.Fatal(start)
		}
	}
	awaitActive(t, user, "vm-2")
	if err := second.Up("--routes", siteRoutes); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	pod, err := user.AddPod(within(t, patience), "pod")
	if err != nil {
		t.Fatal(err)
	}
	way(t, box, 1)
	checkBothWays(t, pod, box)
	way(t, box, 2)
	checkBothWays(t, pod, box)
	checkTakeover(t, user, first, second, pod, box)
	checkBothWays(t, pod, box)
	for _, n := range c.Nodes {
		if s := status(t, n).Node; s.Drops["spoofed-source"]+s.Drops["foreign-source"]+s.Drops["not-local"] != 0 || len(s.Conflicts) != 0 {
			t.Errorf("%s: dropped %v, conflicts %v", n.Name(), s.Drops, s.Conflicts)
		}
	}
}

// checkTakeover kills the first gateway and starts it again, under traffic.
func checkTakeover(t *testing.T, user, first, second *cluster.Node, pod *lab.Pod, box *lab.Host) {
	t.Helper()
	b := startBeat(t.Context(), dial(t, pod, witness(t, box, netip.MustParseAddr("172.20.0.7"))))
	b.more(t)
	b.gap()
	awaitActive(t, user, "vm-2")
	if err := first.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	awaitActive(t, user, "vm-3")
	b.more(t)
	t.Logf("kill -9 of the active gateway: %v without answers", b.gap())
	await(t, func() (bool, string) { // it finds out by itself, perhaps a moment later
		got := status(t, second).Node.Routes
		return len(got) == 2 && got[0].Role == api.RoleActive && got[0].Reason != "", fmt.Sprintf("the second says %+v", got)
	})
	awaitAge(t, user, 5*time.Second)
	if err := first.Up("--routes", siteRoutes); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, user, "vm-2", api.StateUp)
	back := time.Now()
	awaitActive(t, user, "vm-2")
	if kept := time.Since(back); kept < 5*time.Second {
		t.Errorf("the route went back after %v", kept)
	}
	b.more(t)
	t.Logf("back to the first after %v: %v without answers", time.Since(back).Round(time.Millisecond), b.gap())
}

// awaitAge waits until a daemon runs for so long: what it decides in its first seconds, before it has heard all, does not bind
// it.
func awaitAge(t *testing.T, n *cluster.Node, age time.Duration) {
	t.Helper()
	await(t, func() (bool, string) { return time.Since(status(t, n).Node.Started) > age, n.Name() + " is too young" })
}

func TestBadRoutesAreRefusedInOneLine(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	for routes, want := range map[string]string{
		"0.0.0.0/0":                   "default route",
		"::/0":                        "default route",
		"10.0.0.0/8":                  "10.244.0.0/16",
		"10.244.0.0/16":               "10.244.0.0/16",
		"172.20.0.0/24,172.20.0.0/24": "twice",
		"172.20.0.7/24":               "write 172.20.0.0/24",
		"127.0.0.0/8":                 "loopback",
	} {
		refused(t, n, 2, []string{"routes", want}, labtest.Weft(t), "up", "--config", n.Config(), "--routes", routes)
	}
}

func TestARouteThatCannotBeUsedIsNamedWhereItIsSeen(t *testing.T) {
	c := newCluster(t, 2)
	n, gateway := c.Nodes[0], c.Nodes[1]
	runAll(t, n, "ip route add 172.31.0.0/24 via "+gateway.Addr4().String())
	if err := errors.Join(n.Up(), gateway.Up("--routes", "192.0.2.0/24,fd77:6566:7400::/64,172.30.0.0/24,172.31.0.0/24")); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	conflicts := func(s *api.Node) []api.Note { return s.Conflicts }
	awaitNote(t, n, conflicts, "192.0.2.0/24", "it covers 192.0.2.10, an address of this host")
	awaitNote(t, n, conflicts, "fd77:6566:7400::/64", "it covers fd77:6566:7400::10, an address of this host")
	awaitNote(t, gateway, conflicts, "", ", where a peer is reached that does not claim it") // one family is in use
	degraded := func(s *api.Node) []api.Note { return s.Degraded }
	awaitNote(t, gateway, degraded, "route 172.30.0.0/24", "ip route add 172.30.0.0/24 via ROUTER")
	awaitNote(t, n, degraded, "kernel", "route 172.31.0.0/24 of eth0 stands in the way")
	if routes := kernelRoutes(t, n); !strings.Contains(routes, "172.30.0.0/24 dev weft0") || strings.Contains(routes, "172.31.0.0/24 dev weft0") ||
		strings.Contains(routes, "192.0.2.0/24 dev weft0") {
		t.Errorf("routes of vm-1:\n%s", routes)
	}
}

// awaitNote waits until a node's status has a note of what, or of anything, with a reason that holds text.
func awaitNote(t *testing.T, n *cluster.Node, notes func(*api.Node) []api.Note, what, text string) {
	t.Helper()
	await(t, func() (bool, string) {
		list := notes(&status(t, n).Node)
		for _, note := range list {
			if (what == "" || note.What == what) && strings.Contains(note.Reason, text) {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%s says %+v, not %s: %s", n.Name(), list, what, text)
	})
}

// The blocks of docs/routes.md are run where they say, after vm-1 was set up as in the README.
func TestTheCommandsOfTheRoutesPageWork(t *testing.T) {
	needRoot(t)
	l := labtest.Lab(interrupted, t, lab.Options{})
	hosts := map[string]*lab.Host{}
	for _, name := range []string{"vm-1", "vm-2"} {
		hosts[name] = labtest.Host(t, l, name)
	}
	hosts["printer"] = newSite(t, l, hosts["vm-2"])
	shared := t.TempDir()
	runBlock(t, hosts["vm-1"], shared, block{"vm-1", "sudo weft init --token-file token\nsudo weft up\n"})
	list := blocks(t, "docs/routes.md")
	if len(list) != 3 {
		t.Fatalf("%d runnable blocks, want 3", len(list))
	}
	for _, b := range list {
		runBlock(t, hosts[b.host], shared, b)
	}
}
