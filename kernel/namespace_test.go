package kernel

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const device = "weft0"

// namespace is a network namespace that a test lives in: nameless, so that it is gone when the test is.
type namespace struct {
	t    *testing.T
	ns   netns.NsHandle
	host *Host
}

// newNamespace moves the test into a namespace of its own, with lo up.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip of iproute2")
	}
	runtime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Skipf("needs network namespaces: %v", err)
	}
	t.Cleanup(func() {
		if netns.Set(before) == nil {
			runtime.UnlockOSThread() // else the thread ends with the test
		}
		_ = ns.Close()
		_ = before.Close()
	})
	n := &namespace{t: t, ns: ns, host: newHost(t)}
	n.ip("link set lo up")
	return n
}

func newHost(t *testing.T) *Host {
	t.Helper()
	h, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// withDevice is newNamespace with a persistent TUN device in it.
func withDevice(t *testing.T) *namespace {
	t.Helper()
	n := newNamespace(t)
	n.addDevice(device)
	return n
}

func (n *namespace) addDevice(name string) {
	n.t.Helper()
	tun := &netlink.Tuntap{LinkAttrs: netlink.NewLinkAttrs(), Mode: netlink.TUNTAP_MODE_TUN, Flags: unix.IFF_TUN | unix.IFF_NO_PI}
	tun.Name = name
	if err := netlink.LinkAdd(tun); err != nil {
		n.t.Skipf("needs /dev/net/tun: %v", err)
	}
	n.ip("link set " + name + " alias weft")
}

// veth adds an interface with carrier and without link-local address; its other end is name-far.
func (n *namespace) veth(name string) {
	n.t.Helper()
	n.ip("link add " + name + " type veth peer name " + name + "-far")
	for _, end := range []string{name, name + "-far"} {
		n.ip("link set " + end + " addrgenmode none up")
	}
	n.until("carrier of "+name, func() bool {
		l, err := n.host.linkNamed(name)
		return err == nil && l.carrier
	})
}

// uplink adds eth0 with addresses of both families.
func (n *namespace) uplink() {
	n.t.Helper()
	n.veth("eth0")
	n.ip("addr add 192.0.2.10/24 dev eth0")
	n.ip("addr add 2001:db8::10/64 dev eth0 nodad")
}

// until waits for a condition that the kernel brings about on its own time.
func (n *namespace) until(what string, holds func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// patience is how long a test waits for the kernel before it gives up.
const patience = 10 * time.Second

// ip runs ip(8), the oracle of these tests.
func (n *namespace) ip(args string) string {
	n.t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	return string(out)
}

// table is the whole main table as ip(8) prints it, both families, without state flags.
func (n *namespace) table() []string {
	n.t.Helper()
	var lines []string
	for line := range strings.Lines(n.ip("-4 route show") + n.ip("-6 route show")) {
		line = strings.Join(strings.Fields(strings.ReplaceAll(line, "linkdown", "")), " ")
		lines = append(lines, line)
	}
	return lines
}

func (n *namespace) set(want State) Changes {
	n.t.Helper()
	changes, err := n.host.Set(want)
	if err != nil {
		n.t.Fatalf("Set: %v", err)
	}
	return changes
}

// settled fails the test unless Set has nothing left to do.
func (n *namespace) settled(want State) {
	n.t.Helper()
	if changes := n.set(want); changes.Any() {
		n.t.Fatalf("a second Set changed: %v", changes)
	}
}

func (n *namespace) hasRoute(want string) {
	n.t.Helper()
	count := 0
	for _, line := range n.table() {
		if line == want {
			count++
		}
	}
	if count != 1 {
		n.t.Fatalf("route %q is there %d times in\n%s", want, count, strings.Join(n.table(), "\n"))
	}
}

func (n *namespace) hasNoRoute(part string) {
	n.t.Helper()
	for _, line := range n.table() {
		if strings.Contains(line, part) {
			n.t.Fatalf("route %q is there", line)
		}
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func addrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

// dualStack is a node with one subnet of each family and two peers.
func dualStack() State {
	return State{
		Device:    device,
		MTU:       1440,
		Addresses: addrs("10.244.1.1", "fd00:244:0:1::1"),
		Own:       prefixes("10.244.1.0/24", "fd00:244:0:1::/64"),
		Network:   prefixes("10.244.0.0/16", "fd00:244::/48"),
		Routes: []Route{
			{Prefix: netip.MustParsePrefix("10.244.2.0/24"), MTU: 1440},
			{Prefix: netip.MustParsePrefix("fd00:244:0:2::/64"), MTU: 1440},
			{Prefix: netip.MustParsePrefix("10.244.3.0/24"), MTU: 1380},
			{Prefix: netip.MustParsePrefix("fd00:244:0:3::/64"), MTU: 1380},
		},
	}
}

// dualStackTable is what ip(8) shows of it.
var dualStackTable = []string{
	"unreachable 10.244.0.0/16 proto 157 metric 2000000000",
	"unreachable 10.244.1.0/24 proto 157 metric 2000000",
	"10.244.2.0/24 dev weft0 proto 157 scope link src 10.244.1.1 metric 1000 mtu 1440",
	"10.244.3.0/24 dev weft0 proto 157 scope link src 10.244.1.1 metric 1000 mtu 1380",
	"fd00:244:0:2::/64 dev weft0 proto 157 src fd00:244:0:1::1 metric 1000 mtu 1440 pref medium",
	"fd00:244:0:3::/64 dev weft0 proto 157 src fd00:244:0:1::1 metric 1000 mtu 1380 pref medium",
	"unreachable fd00:244:0:1::/64 dev lo proto 157 metric 2000000 pref medium",
	"unreachable fd00:244::/48 dev lo proto 157 metric 2000000000 pref medium",
}
