package main

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/impair"
	"github.com/weftnet/weft/tun"
)

// What these tests send is compared byte for byte: streams of TCP, of which the kernel makes superpackets, and trains of
// datagrams by UDP GSO. WEFT_TEST_STREAM is the length of the longest streams in bytes, for runs by hand, and trains are sent
// for longer in proportion; 10000000000 takes some twenty minutes.

const (
	longStream  = 200_000_000 // bytes, in each direction
	shortStream = 20_000_000
	trainRate   = 20_000 // datagrams/s: a rate that every driver carries on any machine
	trainTime   = 200 * time.Millisecond
)

// fastDrivers are those with a fast path; slowDrivers are what they fall back to.
var (
	fastDrivers = []tun.Driver{tun.DriverSuper}
	slowDrivers = []tun.Driver{tun.DriverPlain, tun.DriverBatch}
)

// harmful are the reasons for which no packet of a peer or a pod may be dropped here.
var harmful = []string{
	"auth-failed", "spoofed-source", "foreign-source", "malformed", "inner-malformed", "unreadable", "bad-checksum", "bad-frame",
}

// site is where traffic starts or ends: a host or a pod.
type site interface {
	load.Place
	Name() string
}

// eachWay runs a test with the drivers given, sealed and in clear.
func eachWay(t *testing.T, drivers []tun.Driver, test func(t *testing.T, driver tun.Driver, flags ...string)) {
	for _, driver := range drivers {
		for _, encryption := range []string{"off", "on"} {
			t.Run(string(driver)+", encryption "+encryption, func(t *testing.T) {
				test(t, driver, "--driver", string(driver), "--encryption", encryption)
			})
		}
	}
}

// fastPods makes a pod on every host, as weft's CNI plugin would for that driver.
func fastPods(t *testing.T, c *cluster.Cluster, driver tun.Driver) []*lab.Pod {
	t.Helper()
	list := pods(t, c)
	if driver != tun.DriverSuper {
		return list
	}
	for i, n := range c.Nodes {
		if err := list[i].LimitGSO(encap.GSOMaxSize(status(t, n).Node.Device.MTU)); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// assertStreams sends bytes there and back over TCP, and datagrams of many sizes up to the MTU.
func assertStreams(t *testing.T, from, to site, addr netip.Addr, bytes int64, mtu int) {
	t.Helper()
	o := load.IntegrityOptions{Bytes: bytes, MTU: mtu, Within: patience + time.Duration(bytes/10_000_000)*time.Second}
	if r := integrity(t, from, to, addr, o); !r.OK {
		t.Errorf("%s to %s: %q; datagrams of sizes %v never came back", from.Name(), addr, r.Differences, r.Missing)
	}
}

func integrity(t *testing.T, from, to site, addr netip.Addr, o load.IntegrityOptions) load.IntegrityResult {
	t.Helper()
	far := load.NewLimitedServer(to, addr, load.ServerOptions{MaxWithin: o.Within + time.Minute})
	defer far.Close()
	r, err := load.Integrity(within(t, o.Within), from, far, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// assertTrains sends datagrams by UDP GSO. Some may be lost; those that arrive are what was sent.
func assertTrains(t *testing.T, from, to site, addr netip.Addr) load.Trial {
	t.Helper()
	far := load.NewServer(to, addr)
	defer far.Close()
	length := trainTime * time.Duration(max(1, streamBytes(t)/longStream))
	r, err := load.Datagrams(within(t, patience+length), from, far, load.DatagramsOptions{
		Payload: 1150, Train: 32, Rate: trainRate, Duration: length,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Damaged != 0 || r.Received == 0 || r.Received > r.Sent {
		t.Errorf("%s to %s: %d of %d datagrams arrived, %d are damaged", from.Name(), addr, r.Received, r.Sent, r.Damaged)
	}
	return r
}

// assertCarried sends everything between two pods, over both families.
func assertCarried(t *testing.T, from, to *lab.Pod, bytes int64, mtu int) {
	t.Helper()
	for _, addr := range []netip.Addr{to.Addr4(), to.Addr6()} {
		assertStreams(t, from, to, addr, bytes, mtu)
		if r := assertTrains(t, from, to, addr); r.Duplicates != 0 {
			t.Errorf("%s to %s: %d datagrams came twice", from.Name(), addr, r.Duplicates)
		}
	}
}

// assertHarmless fails if a daemon dropped packets of those who were to be heard.
func assertHarmless(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, n := range c.Nodes {
		for reason, count := range status(t, n).Node.Drops {
			if count != 0 && slices.Contains(harmful, reason) {
				t.Errorf("%s dropped %d packets as %s", n.Name(), count, reason)
			}
		}
	}
}

func TestStreamsAndTrainsArriveIntactThroughEveryDriver(t *testing.T) {
	eachWay(t, append(slowDrivers, fastDrivers...), func(t *testing.T, driver tun.Driver, flags ...string) {
		c := newCluster(t, 2, flags...)
		startAll(t, c)
		s := status(t, c.Nodes[0])
		if s.Node.Device.Driver != string(driver) {
			t.Fatalf("driver %s, want %s: %s", s.Node.Device.Driver, driver, s.Node.Device.Why)
		}
		all := fastPods(t, c, driver)
		assertStreams(t, all[0], all[1], all[1].Addr4(), streamBytes(t), s.Node.Device.MTU)
		assertCarried(t, all[0], all[1], shortStream, s.Node.Device.MTU)
		assertStreams(t, c.Nodes[0], c.Nodes[1], overlay(t, c.Nodes[1]), shortStream, s.Node.Device.MTU)
		assertTrains(t, c.Nodes[1], c.Nodes[0], overlay(t, c.Nodes[0]))
		assertHarmless(t, c)
		if driver == tun.DriverSuper {
			assertFast(t, c)
		}
	})
}

// assertFast fails if superpackets or trains were not kept whole: then the fast path would not have been compared.
func assertFast(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, n := range c.Nodes {
		f := status(t, n).Node.FastPath
		t.Logf("%s: superpackets of %.1f segments out and %.1f in, %.1f frames a send and %.1f a receive", n.Name(),
			f.SegmentsPerSuperpacketOut, f.SegmentsPerSuperpacketIn, f.FramesPerCallOut, f.FramesPerCallIn)
		least := min(f.SegmentsPerSuperpacketOut, f.SegmentsPerSuperpacketIn, f.FramesPerCallOut, f.FramesPerCallIn)
		if least < 2 || !f.Polled {
			t.Errorf("%s: %+v, want superpackets and trains, and lanes that poll", n.Name(), f)
		}
	}
}

// Each node of a pair has something else of the fast path, so that each side of every fallback meets the other's best.
func TestStreamsAndTrainsArriveIntactWithEveryFallback(t *testing.T) {
	for _, fallback := range [][]string{
		{"--offload-tso", "off"}, {"--offload-uso", "off"}, {"--offload-join-tcp", "off"}, {"--offload-join-udp", "off"},
		{"--offload-gso", "off"}, {"--offload-gro", "off"}, {"--offload-partial", "off"},
		{"--lanes", "3"}, {"--driver", "batch"}, {"--driver", "plain"},
	} {
		t.Run(strings.Join(fallback, " "), func(t *testing.T) {
			c := newCluster(t, 2, "--driver", "super", "--encryption", "off")
			if err := errors.Join(c.Nodes[0].Up(fallback...), c.Nodes[1].Up()); err != nil {
				t.Fatal(err)
			}
			awaitAll(t, c)
			all := fastPods(t, c, tun.DriverSuper)
			assertStreams(t, all[0], all[1], all[1].Addr4(), fallbackBytes(t), status(t, c.Nodes[0]).Node.Device.MTU)
			assertTrains(t, all[0], all[1], all[1].Addr4())
			assertTrains(t, all[1], all[0], all[0].Addr4())
			assertHarmless(t, c)
		})
	}
}

// streamBytes is the length of the longest streams.
func streamBytes(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("WEFT_TEST_STREAM")
	if text == "" {
		return longStream
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		t.Fatalf("WEFT_TEST_STREAM is %q: want a number of bytes", text)
	}
	return n
}

// fallbackBytes is the length of a stream through one fallback; there are many.
func fallbackBytes(t *testing.T) int64 {
	if os.Getenv("WEFT_TEST_STREAM") == "" {
		return longStream / 10
	}
	return streamBytes(t)
}

// overlay is a node's own IPv4 address in the overlay.
func overlay(t *testing.T, n *cluster.Node) netip.Addr {
	t.Helper()
	addrs := status(t, n).Node.Addresses
	i := slices.IndexFunc(addrs, netip.Addr.Is4)
	if i < 0 {
		t.Fatalf("%s has no IPv4 address among %v", n.Name(), addrs)
	}
	return addrs[i]
}

func TestStreamsStayIntactOverANetworkThatLosesDoublesAndReorders(t *testing.T) {
	eachWay(t, append([]tun.Driver{tun.DriverBatch}, fastDrivers...), func(t *testing.T, driver tun.Driver, flags ...string) {
		c := newCluster(t, 2, flags...)
		startAll(t, c)
		all := fastPods(t, c, driver)
		pingAll(t, all)
		relay := badNetwork(t, c)
		o := load.IntegrityOptions{Bytes: 4 << 20, Sizes: []int{16, 700, 1300}, Within: patience}
		for _, addr := range []netip.Addr{all[1].Addr4(), all[1].Addr6()} {
			if r := integrity(t, all[0], all[1], addr, o); r.Bytes != o.Bytes || len(r.Differences) > 0 {
				t.Errorf("%s to %s: %d bytes came back, with differences %q", all[0].Name(), addr, r.Bytes, r.Differences)
			}
		}
		assertTrains(t, all[0], all[1], all[1].Addr4())
		if n := relay.Counts(); n.Lost == 0 || n.Duplicated == 0 || n.Held == 0 || n.Refused != 0 {
			t.Errorf("the network was not bad, or worse than asked for: %+v", n)
		}
		assertHarmless(t, c)
	})
}

// badNetwork puts a relay between the first two hosts.
func badNetwork(t *testing.T, c *cluster.Cluster) *impair.Relay {
	t.Helper()
	r, err := impair.Between(c.Lab, c.Nodes[0].Host, c.Nodes[1].Host, impair.Options{Loss: 0.05, Duplicate: 0.05, Reorder: 0.05, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// A host without weft, for which its neighbour on the underlay forwards: its superpackets are as large as its kernel makes
// them, and come with headers that weft's host has not made.
func TestForwardedTrafficOfAThirdHostArrivesIntact(t *testing.T) {
	eachWay(t, fastDrivers, func(t *testing.T, driver tun.Driver, flags ...string) {
		c := newCluster(t, 2, flags...)
		startAll(t, c)
		pod := fastPods(t, c, driver)[1]
		third, addr := hostBehind(t, c, c.Nodes[0])
		awaitPing(t, third, pod.Addr4())
		mtu := status(t, c.Nodes[0]).Node.Device.MTU
		assertStreams(t, third, pod, pod.Addr4(), shortStream, mtu)
		assertTrains(t, third, pod, pod.Addr4())
		assertStreams(t, pod, third, addr, shortStream, mtu)
		assertTrains(t, pod, third, addr)
		assertHarmless(t, c)
	})
}

// hostBehind makes a host that has one address of the node's subnet and reaches the overlay through the node.
func hostBehind(t *testing.T, c *cluster.Cluster, n *cluster.Node) (*lab.Host, netip.Addr) {
	t.Helper()
	third, err := c.Host("third")
	if err != nil {
		t.Fatal(err)
	}
	subnets := status(t, n).Node.Subnets
	four := subnets[slices.IndexFunc(subnets, func(p netip.Prefix) bool { return p.Addr().Is4() })].Addr().As4()
	four[3] = 200
	addr := netip.AddrFrom4(four)
	inside(t, third, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(lo, &netlink.Addr{IPNet: netlink.NewIPNet(addr.AsSlice())})
	})
	inside(t, third, func() error {
		return netlink.RouteAdd(&netlink.Route{Gw: n.Addr4().AsSlice(), Src: addr.AsSlice(), Dst: netlink.NewIPNet(nil)})
	})
	inside(t, n.Host, func() error {
		return netlink.RouteAdd(&netlink.Route{Dst: netlink.NewIPNet(addr.AsSlice()), Gw: third.Addr4().AsSlice()})
	})
	return third, addr
}

// inside calls fn in the host's namespace.
func inside(t *testing.T, h *lab.Host, fn func() error) {
	t.Helper()
	if err := h.Do(fn); err != nil {
		t.Fatal(err)
	}
}

func TestPodsOfASmallerMTUAreReachedByPodsOfOurs(t *testing.T) {
	const mtu = 1280
	eachWay(t, fastDrivers, func(t *testing.T, driver tun.Driver, flags ...string) {
		c := newCluster(t, 2, flags...)
		startAll(t, c)
		ours := fastPods(t, c, driver)[0]
		var addrs []netip.Prefix
		for _, subnet := range status(t, c.Nodes[1]).Node.Subnets {
			last := subnet.Masked().Addr().AsSlice()
			last[len(last)-1] = 100
			addr, _ := netip.AddrFromSlice(last)
			addrs = append(addrs, netip.PrefixFrom(addr, subnet.Bits()))
		}
		small, err := c.Nodes[1].Pod("small", addrs, mtu)
		if err != nil {
			t.Fatal(err)
		}
		assertCarried(t, ours, small, shortStream, mtu)
		assertCarried(t, small, ours, shortStream, mtu)
		assertHarmless(t, c)
	})
}

func TestIPv6InsideAndOutsideArrivesIntact(t *testing.T) {
	eachWay(t, fastDrivers, func(t *testing.T, driver tun.Driver, flags ...string) {
		next := byte(0)
		onlyIPv6 := func(h *lab.Host) error {
			next++
			return h.ChangeAddress(far(h.Addr6(), next))
		}
		c := newClusterOf(t, cluster.Options{Hosts: 2, Prepare: onlyIPv6, Flags: flags})
		startAll(t, c)
		all := fastPods(t, c, driver)
		assertCarried(t, all[0], all[1], shortStream, status(t, c.Nodes[0]).Peers[0].MTU)
		assertHarmless(t, c)
	})
}
