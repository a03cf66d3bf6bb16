package main

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// muteRouter makes a host the router that leads two nodes to each other, and that tells nobody when a packet is too long for
// it.
func muteRouter(t *testing.T, c *cluster.Cluster, a, b *cluster.Node) *lab.Host {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed: run scripts/setup.sh")
	}
	r, err := c.Host("between")
	if err != nil {
		t.Fatal(err)
	}
	for host, script := range map[*lab.Host]string{
		r: `sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
			nft 'add table ip mute; add chain ip mute output { type filter hook output priority 0; }'
			nft 'add rule ip mute output icmp type destination-unreachable drop'`,
		a.Host: fmt.Sprintf("ip route replace %s via %s", b.Addr4(), r.Addr4()),
		b.Host: fmt.Sprintf("ip route replace %s via %s", a.Addr4(), r.Addr4()),
	} {
		if out, err := host.Run(within(t, patience), "sh", "-ec", script); err != nil {
			t.Fatalf("%s: %v: %s", host.Name(), err, out)
		}
	}
	return r
}

// setMTU changes what a router takes.
func setMTU(t *testing.T, r *lab.Host, mtu int) {
	t.Helper()
	if _, err := r.Run(within(t, patience), "ip", "link", "set", "eth0", "mtu", fmt.Sprint(mtu)); err != nil {
		t.Fatal(err)
	}
}

// awaitPathMTU waits until a node has verified what the path to a peer carries, says so, and its route has it; it returns how
// long that took.
func awaitPathMTU(t *testing.T, n *cluster.Node, peer string, mtu int) time.Duration {
	t.Helper()
	began := time.Now()
	await(t, func() (bool, string) {
		for _, p := range status(t, n).Peers {
			if p.Name != peer {
				continue
			}
			text := fmt.Sprintf("%s takes the path to %s for %d, %s; mtu %d", n.Name(), peer, p.PathMTU, p.MTUKnown, p.MTU)
			return p.PathMTU == mtu && p.MTUKnown == "verified" && strings.Contains(kernelRoutes(t, n), routeText(p)), text
		}
		return false, "no such peer"
	})
	return time.Since(began)
}

// routeText is the route to a peer's first subnet as ip(8) shows it.
func routeText(p api.Peer) string {
	return fmt.Sprintf("mtu %d", p.MTU)
}

// download is a TCP connection through the overlay that never ends: the second host sends as fast as it may.
type download struct {
	mu      sync.Mutex // guards what follows
	last    time.Time  // when something came
	longest time.Duration
}

// startDownload begins one between two hosts. It ends with the test.
func startDownload(t *testing.T, to, from *cluster.Node, addr netip.Addr) *download {
	t.Helper()
	var listener net.Listener
	var conn net.Conn
	in := func(n *cluster.Node, f func() error) {
		t.Helper()
		if err := n.Do(f); err != nil {
			t.Fatal(err)
		}
	}
	in(from, func() (err error) {
		listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", netip.AddrPortFrom(addr, 0).String())
		return err
	})
	t.Cleanup(func() { listener.Close() })
	go sendForever(listener)
	in(to, func() (err error) {
		conn, err = new(net.Dialer).DialContext(within(t, patience), "tcp", listener.Addr().String())
		return err
	})
	t.Cleanup(func() { conn.Close() })
	d := &download{last: time.Now()}
	go d.receive(conn)
	return d
}

func sendForever(l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return // closed
	}
	defer conn.Close()
	for chunk := make([]byte, 16<<10); err == nil; _, err = conn.Write(chunk) {
		time.Sleep(time.Millisecond) // some 100 Mbit/s: the point is not how fast
	}
}

func (d *download) receive(conn net.Conn) {
	for buffer := make([]byte, 64<<10); ; {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
		d.note()
	}
}

func (d *download) note() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.longest = max(d.longest, now.Sub(d.last))
	d.last = now
}

// gap is the longest time without any byte since the last call of gap.
func (d *download) gap() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	longest := max(d.longest, time.Since(d.last))
	d.longest = 0
	return longest
}

// isFlowing reports whether something came just now.
func (d *download) isFlowing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.last) < 100*time.Millisecond
}

func TestAStreamGoesOnWhenItsPathShrinksWithoutAWord(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	a, b := c.Nodes[0], c.Nodes[1]
	r := muteRouter(t, c, a, b)
	startAll(t, c)
	awaitPathMTU(t, b, "vm-1", 1500)
	addrs, err := b.Addresses(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	d := startDownload(t, a, b, addrs[0])
	d.gap()

	setMTU(t, r, 1400)
	took := awaitPathMTU(t, b, "vm-1", 1400)
	await(t, func() (bool, string) { return d.isFlowing(), "the stream stands still" })
	gap := d.gap()
	t.Logf("1400 is verified after %v, and the stream stood still for %v", took, gap)
	if gap > 5*time.Second {
		t.Errorf("the stream stood still for %v", gap)
	}
	if out, err := b.Weft(within(t, patience), "peers", "--socket", b.Socket()); err != nil || !strings.Contains(out, "1340 (1400 verified)") {
		t.Errorf("weft peers: %v: %s", err, out)
	}

	setMTU(t, r, 1250)
	t.Logf("1250 is verified after %v", awaitPathMTU(t, b, "vm-1", 1250))
	theirs, err := a.Addresses(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	six := theirs[slices.IndexFunc(theirs, netip.Addr.Is6)].String()
	await(t, func() (bool, string) { // the way back was idle, and is verified with the first long answers
		out, err := b.Run(within(t, patience), "ping", "-6", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1232", six)
		return err == nil && strings.Contains(out, " 0% packet loss"), "packets of 1280 bytes do not get through: " + out
	})
	d.gap()

	setMTU(t, r, 1500)
	t.Logf("1500 is verified after %v", awaitPathMTU(t, b, "vm-1", 1500))
	if gap := d.gap(); gap > 5*time.Second {
		t.Errorf("the stream stood still for %v while the path grew", gap)
	}
}

// setHostMTU changes what a host's interface takes.
func setHostMTU(t *testing.T, n *cluster.Node, mtu int) {
	t.Helper()
	setMTU(t, n.Host, mtu)
}

// Packets of 1280 bytes, the least that IPv6 has inside, fit the link in one frame, and then it takes less: what the kernel refuses
// before the node has heard of it is not lost.
func TestNoPacketIsLostWhenTheLinkBecomesSmaller(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	a := c.Nodes[0]
	startAll(t, c)
	awaitPathMTU(t, a, "vm-2", 1500)
	hosts := pods(t, c)
	stream := labtest.StartPaced(t, hosts[0], hosts[1], hosts[1].Addr6(), string(make([]byte, 1280-40-8-8)))
	stream.Await(t, settled, patience)

	mark := stream.Mark()
	for _, mtu := range []int{1300, 1500, 1300, 900} {
		setHostMTU(t, a, mtu)
		stream.Await(t, stream.Mark()+settled, patience)
	}
	awaitPathMTU(t, a, "vm-2", 900)
	end := stream.Mark()
	stream.Await(t, end+settled, patience)
	_, lost := stream.Between(mark, end)
	drops := status(t, a).Node.Drops
	t.Logf("%d packets of %d were lost, dropped: %v", lost, end-mark, drops)
	if lost > 0 || drops["too-big"] > 0 {
		t.Errorf("%d packets of %d were lost; dropped: %v", lost, end-mark, drops)
	}
}

// Nothing that weft sends is longer than 576 bytes, but handshakes and gossip that IPv4 fragments.
func TestAnUnderlayOfTheLeastMTUOfIPv4Works(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	for _, n := range c.Nodes {
		setHostMTU(t, n, 576)
	}
	startAll(t, c)
	hosts := pods(t, c)
	pingAll(t, hosts)
	for _, peer := range []string{"vm-2", "vm-3"} {
		awaitPathMTU(t, c.Nodes[0], peer, 576)
	}
	stream := labtest.StartPaced(t, hosts[0], hosts[1], hosts[1].Addr6(), string(make([]byte, 1280-40-8-8)))
	stream.Await(t, settled, patience)
	mark := stream.Mark()
	stream.Await(t, mark+settled, patience)
	if _, lost := stream.Between(mark, mark+settled); lost > 0 {
		t.Errorf("%d packets of %d were lost", lost, settled)
	}
	for _, n := range c.Nodes {
		s := status(t, n)
		out, _ := n.Host.Run(within(t, patience), "sh", "-c", "grep ^Ip: /proc/net/snmp")
		t.Logf("%s: drops %v, %s", n.Name(), s.Node.Drops, out)
		if s.Node.Drops["too-big"] > 0 {
			t.Errorf("%s has dropped %v", n.Name(), s.Node.Drops)
		}
	}
}
