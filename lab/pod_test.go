package lab

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func testPod(t *testing.T, h *Host, name string, addrs ...string) *Pod {
	t.Helper()
	p, err := h.Pod(name, prefixes(addrs...), 1400)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPodsOfOneHostReachEachOtherAndTheHost(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	p, q := testPod(t, a, "p", "10.244.1.10/24", "fd00:244:1::10/64"), testPod(t, a, "q", "10.244.1.11/24", "fd00:244:1::11/64")
	for _, to := range []string{"10.244.1.1", "fd00:244:1::1", q.Addr4().String(), q.Addr6().String()} {
		if !pings(t, p.Namespace, netip.MustParseAddr(to)) {
			t.Errorf("pod does not reach %s", to)
		}
	}
}

func TestPodsReachEachOtherThroughTheirHosts(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b")
	p, q := testPod(t, h[0], "p", "10.244.1.10/24", "fd00:244:1::10/64"), testPod(t, h[1], "p", "10.244.2.10/24", "fd00:244:2::10/64")
	route(t, h[0], "10.244.2.0/24", h[1].Addr4())
	route(t, h[0], "fd00:244:2::/64", h[1].Addr6())
	route(t, h[1], "10.244.1.0/24", h[0].Addr4())
	route(t, h[1], "fd00:244:1::/64", h[0].Addr6())
	if !pings(t, p.Namespace, q.Addr4()) || !pings(t, q.Namespace, p.Addr6()) {
		t.Error("pods of two hosts do not reach each other: the hosts do not forward")
	}
}

func route(t *testing.T, h *Host, to string, via netip.Addr) {
	t.Helper()
	err := h.Do(func() error {
		return netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.MustParsePrefix(to)), Gw: via.AsSlice()})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPodHasTheMTUGiven(t *testing.T) {
	l := testLab(t, Options{})
	p := testPod(t, testHosts(t, l, "a")[0], "p", "10.244.1.10/24")
	err := p.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil && link.Attrs().MTU != 1400 {
			t.Errorf("MTU = %d, want 1400", link.Attrs().MTU)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestBadPodsAreRefused(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	testPod(t, a, "p", "10.244.1.10/24")
	for _, c := range []struct {
		name  string
		addrs []netip.Prefix
		mtu   int
	}{
		{"p", prefixes("10.244.1.11/24"), 0},
		{"q", nil, 0},
		{"q", prefixes("10.244.1.0/24"), 0},
		{"q", prefixes("10.244.1.1/24"), 0},
		{"q", prefixes("10.244.1.12/32"), 0},
		{"q", []netip.Prefix{{}}, 0},
		{"q", prefixes("10.244.1.12/24"), 70000},
		{"Q", prefixes("10.244.1.12/24"), 0},
	} {
		if _, err := a.Pod(c.name, c.addrs, c.mtu); err == nil {
			t.Errorf("a pod %+v was made", c)
		}
	}
	if len(a.Pods()) != 1 {
		t.Errorf("%d pods, want 1", len(a.Pods()))
	}
}

func TestGSOLimitIsOfThePodsEndAlone(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	p := testPod(t, a, "p", "10.244.1.10/24")
	const size = 61037
	if err := p.LimitGSO(size); err != nil {
		t.Fatal(err)
	}
	if got := gsoLimits(t, p.Namespace, podInterface); got != [2]uint32{size, size} {
		t.Errorf("the pod's end has %v, want %d for both", got, size)
	}
	if got := gsoLimits(t, a.Namespace, "pod1"); got != [2]uint32{65536, 65536} {
		t.Errorf("the host's end has %v, want the kernel's default", got)
	}
	if err := p.LimitGSO(1); err == nil {
		t.Error("a limit of 1 byte was taken")
	}
}

// gsoLimits are gso_max_size and gso_ipv4_max_size of an interface.
func gsoLimits(t *testing.T, n *Namespace, name string) [2]uint32 {
	t.Helper()
	link, err := n.link(name)
	if err != nil {
		t.Fatal(err)
	}
	return [2]uint32{link.Attrs().GSOMaxSize, link.Attrs().GSOIPv4MaxSize}
}
