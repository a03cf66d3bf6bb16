package kernel

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func (n *namespace) egress(to string) Egress {
	n.t.Helper()
	var addr netip.Addr
	if to != "" {
		addr = netip.MustParseAddr(to)
	}
	e, err := n.host.Egress(addr)
	if err != nil {
		n.t.Fatalf("Egress(%s): %v", to, err)
	}
	return e
}

func TestEgressIsTheSourceOfTheDefaultRoute(t *testing.T) {
	n := newNamespace(t)
	n.uplink()
	n.veth("eth1")
	n.ip("link set eth1 mtu 1400")
	n.ip("addr add 198.51.100.7/24 dev eth1")
	n.ip("addr add 203.0.113.7/24 dev eth1")
	n.ip("route add default via 192.0.2.1 metric 500")
	n.ip("route add default via 203.0.113.1 metric 100")
	want := Egress{Source: addrs("203.0.113.7")[0], Interface: "eth1", MTU: 1400, Link: 1400, Why: "source address of the default route, on eth1"}
	if got := n.egress(""); got != want {
		t.Errorf("Egress = %+v\nwant     %+v", got, want)
	}
}

func TestEgressObeysTheSourceAndTheMTUOfTheDefaultRoute(t *testing.T) {
	n := newNamespace(t)
	n.uplink()
	n.ip("addr add 192.0.2.11/24 dev eth0")
	n.ip("route add default via 192.0.2.1 src 192.0.2.11 mtu 1420")
	if got := n.egress(""); got.Source != addrs("192.0.2.11")[0] || got.MTU != 1420 {
		t.Errorf("Egress = %+v", got)
	}
}

func TestEgressOfEitherFamilyCanBeAskedFor(t *testing.T) {
	n := newNamespace(t)
	n.uplink()
	n.ip("route add default via 192.0.2.1")
	n.ip("-6 route add default via 2001:db8::1")
	if got := n.egress("::"); got.Source != addrs("2001:db8::10")[0] {
		t.Errorf("Egress(::) = %+v", got)
	}
	if got := n.egress("0.0.0.0"); got.Source != addrs("192.0.2.10")[0] {
		t.Errorf("Egress(0.0.0.0) = %+v", got)
	}
}

func TestEgressOfAnIPv6OnlyHost(t *testing.T) {
	n := newNamespace(t)
	n.uplink()
	n.ip("addr del 192.0.2.10/24 dev eth0")
	n.ip("-6 route add default via 2001:db8::1")
	if got := n.egress(""); got.Source != addrs("2001:db8::10")[0] {
		t.Errorf("Egress = %+v", got)
	}
}

func TestWithoutADefaultRouteEgressIsTheFirstUsableAddressAndSaysWhy(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.ip("link add docker0 type bridge")
	n.ip("link set docker0 up")
	n.ip("addr add 172.17.0.1/16 dev docker0")
	n.uplink()
	got := n.egress("")
	if got.Source != addrs("192.0.2.10")[0] || got.Interface != "eth0" || !strings.Contains(got.Why, "no default route") {
		t.Errorf("Egress = %+v", got)
	}
}

func TestADefaultRouteOfAnInterfaceWithoutCarrierIsNotUsed(t *testing.T) {
	n := newNamespace(t)
	n.uplink()
	n.ip("route add default via 192.0.2.1")
	n.ip("link set eth0-far down")
	n.until("ErrNoAddress", func() bool {
		_, err := n.host.Egress(netip.Addr{})
		return errors.Is(err, ErrNoAddress)
	})
}

func TestAHostWithoutAddressesHasNoEgress(t *testing.T) {
	n := newNamespace(t)
	_, err := n.host.Egress(netip.Addr{})
	if !errors.Is(err, ErrNoAddress) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Egress = %v, want ErrNoAddress in one line", err)
	}
}

func TestEgressToADestination(t *testing.T) {
	n := newNamespace(t)
	n.uplink()
	n.ip("addr add 192.0.2.99/24 dev eth0")
	n.ip("route add 198.51.100.0/24 via 192.0.2.1 src 192.0.2.99 mtu 1300")
	want := Egress{Source: addrs("192.0.2.99")[0], Interface: "eth0", MTU: 1300, Link: 1500, Why: "source address of the route to 198.51.100.5, on eth0"}
	if got := n.egress("198.51.100.5"); got != want {
		t.Errorf("Egress = %+v\nwant     %+v", got, want)
	}
	if got := n.egress("::ffff:198.51.100.5"); got != want {
		t.Errorf("Egress of the mapped address = %+v", got)
	}
	if got := n.egress("2001:db8::77"); got.Source != addrs("2001:db8::10")[0] || got.MTU != 1500 {
		t.Errorf("Egress over IPv6 = %+v", got)
	}
	if got := n.egress("192.0.2.10"); !strings.Contains(got.Why, "address of this host") {
		t.Errorf("Egress to ourselves = %+v", got)
	}
	if _, err := n.host.Egress(addrs("203.0.113.5")[0]); err == nil {
		t.Error("Egress to where no route leads is no error")
	}
}

func TestEgressIntoTheOverlayIsRefused(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	for _, to := range addrs("10.244.2.5", "fd00:244:0:2::5") {
		if e, err := n.host.Egress(to); !errors.Is(err, ErrOverlay) {
			t.Errorf("Egress(%v) = %+v, %v, want ErrOverlay", to, e, err)
		}
	}
}

func (n *namespace) underlayAddresses(network []netip.Prefix) []netip.Addr {
	n.t.Helper()
	u, err := n.host.Underlay(device, network)
	if err != nil {
		n.t.Fatal(err)
	}
	return u.Addresses
}

func TestUnderlayAddressesLeaveOutWhatNoPeerCanReach(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.veth("eth1")
	for _, args := range []string{
		"link add docker0 type bridge", "link set docker0 up", "addr add 172.17.0.1/16 dev docker0",
		"link add weftbr0 type bridge", "link set weftbr0 up", "addr add 10.244.1.1/24 dev weftbr0",
		"link add eth9 type veth peer name far9", "addr add 198.51.100.9/24 dev eth9", // down
		"addr add 198.51.100.7/24 dev eth1",
		"addr add 10.244.50.1/32 dev eth1", "addr add 169.254.7.7/16 dev eth1",
		"addr add fd12::7/64 dev eth1 nodad", "addr add fd12::8/64 dev eth1 nodad preferred_lft 0",
	} {
		n.ip(args)
	}
	n.uplink()
	n.ip("route add default via 192.0.2.1")
	got := n.underlayAddresses(dualStack().Network)
	if want := addrs("192.0.2.10", "198.51.100.7", "2001:db8::10", "fd12::7"); !slices.Equal(got, want) {
		t.Errorf("Addresses = %v\nwant        %v", got, want)
	}
}

func TestABridgeWithTheUplinkInItCounts(t *testing.T) {
	n := newNamespace(t)
	n.veth("eth0")
	for _, args := range []string{
		"link add br0 type bridge", "link set br0 addrgenmode none up", "link set eth0 master br0",
		"addr add 192.0.2.10/24 dev br0", "route add default via 192.0.2.1",
	} {
		n.ip(args)
	}
	n.until("carrier of br0", func() bool { l, err := n.host.linkNamed("br0"); return err == nil && l.carrier })
	if got := n.underlayAddresses(nil); !slices.Equal(got, addrs("192.0.2.10")) {
		t.Errorf("Addresses = %v", got)
	}
}
