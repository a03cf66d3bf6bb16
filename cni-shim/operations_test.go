package cnishim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
)

func TestAPodIsAddedCheckedAndRemoved(t *testing.T) {
	s := newSite(t)
	n := newSpace(t)
	result, again := s.add("one", n)
	if len(result.Interfaces) != 3 || result.Interfaces[2].Sandbox != n.path || result.Interfaces[2].Mtu != 1440 || result.Interfaces[0].Name != "weftbr0" {
		t.Errorf("interfaces %+v", result.Interfaces)
	}
	if len(result.IPs) != 2 || result.IPs[0].Address.String() != "10.244.1.2/32" || result.IPs[0].Gateway.String() != "10.244.1.1" || *result.IPs[0].Interface != 2 {
		t.Errorf("ips %v", result.IPs)
	}
	if len(result.Routes) != 4 {
		t.Errorf("routes %v", result.Routes)
	}
	link := n.run(t, "ip -d link show eth0; cat /proc/sys/net/ipv6/conf/eth0/accept_ra")
	if !strings.Contains(link, "mtu 1440") || !strings.Contains(link, "gso_max_size 60000") || !strings.HasSuffix(link, "\n0\n") {
		t.Errorf("in the pod:\n%s", link)
	}
	s.must(again.as("CHECK"))
	for range 2 {
		s.must(again.as("DEL"))
	}
	if left := s.left(); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

// Of two addresses the second is the gateway, and the pod has the first (RFC 3021, RFC 6164).
func TestASubnetOfTwoAddressesHasOnePod(t *testing.T) {
	s := newSite(t)
	s.lease(func(l *lease.Lease) { l.Subnets = prefixes("10.244.1.4/31", "fd10:244:0:1::/127") })
	result, one := s.add("one", newSpace(t))
	if len(result.IPs) != 2 || result.IPs[0].Address.String() != "10.244.1.4/32" || result.IPs[1].Address.String() != "fd10:244:0:1::/128" {
		t.Errorf("ips %v", result.IPs)
	}
	s.must(one.as("CHECK"))
	s.run("ping -c1 -W2 10.244.1.4; ping -c1 -W2 fd10:244:0:1::")
	s.must(one.as("DEL"))
}

// connect opens a TCP connection from a pod to the node's own address, and says how long that took.
func (n *space) connect(to netip.AddrPort) (took time.Duration, err error) {
	start := time.Now()
	err = n.do(func() error {
		conn, err := net.DialTimeout("tcp", to.String(), patience)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return time.Since(start), err
}

// A lost first packet is sent again after a second; so what takes less was carried at once.
func TestAddressesCarryPacketsAsSoonAsADDReturns(t *testing.T) {
	s := newSite(t)
	s.add("first", newSpace(t))
	for i, gateway := range []string{"10.244.1.1", "fd10:244:0:1::1"} {
		var listener net.Listener
		if err := s.vm.Do(func() (err error) {
			listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(gateway), 0).String())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		n := newSpace(t)
		s.add(fmt.Sprint("pod", i), n)
		took, err := n.connect(netip.MustParseAddrPort(listener.Addr().String()))
		if err != nil || took > 900*time.Millisecond {
			t.Errorf("to %s: %v after %v", gateway, err, took)
		}
	}
}

func TestDELSucceedsWhateverIsMissing(t *testing.T) {
	s := newSite(t)
	for what, c := range map[string]struct {
		damage func(n *space)
		call   func(call) call
	}{
		"without netns":       {nil, func(c call) call { c.netns = ""; return c }},
		"a netns that is not": {nil, func(c call) call { c.netns = "/run/netns/none"; return c }},
		"interface gone":      {func(n *space) { n.run(t, "ip link delete eth0") }, nil},
		"bridge gone":         {func(*space) { s.run("ip link delete weftbr0") }, nil},
		"guard gone":          {func(*space) { s.run("nft delete table bridge weft") }, nil},
		"lease gone": {func(*space) { os.Remove(lease.Path(s.runDir)) }, func(c call) call {
			return c.with("stateDir", s.stateDir)
		}},
		"keys unknown": {nil, func(c call) call { return c.with("ipMasq", true).with("ipam", map[string]any{"type": "host-local"}) }},
		"values that cannot be": {nil, func(c call) call {
			return c.with("mtu", -5).with("runtimeConfig", map[string]any{"mac": "x"}).with("bridge", "a/b").with("stateDir", "var")
		}},
		"values of no kind": {nil, func(c call) call { return c.with("mtu", "big").with("hairpin", 7).with("prevResult", "x") }},
	} {
		t.Run(what, func(t *testing.T) {
			s.lease()
			n := newSpace(t)
			_, again := s.add("one", n)
			if c.damage != nil {
				c.damage(n)
			}
			del := again.as("DEL")
			if c.call != nil {
				del = c.call(del)
			}
			for range 2 {
				s.must(del)
			}
			if left := s.left(); left != "" {
				t.Errorf("left:\n%s", left)
			}
		})
	}
}

// No runtime is to call ADD while GC runs; the pod of one that does keeps its addresses.
func TestGCEndsNoRecordThatWasMadeWhileItRan(t *testing.T) {
	book, err := ipam.Open(t.TempDir(), ipam.Options{BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	key := ipam.Key{Container: "new", IfName: "eth0"}
	_, _, err = book.Reserve(t.Context(), ipam.Request{Key: key, Network: "weft", Subnets: prefixes("10.244.1.0/24")})
	if err != nil {
		t.Fatal(err)
	}
	g := &collection{config: &config{Name: "weft"}, book: book}
	g.ended(nil) // it listed the records before
	if _, held, err := book.Lookup(key); !held || err != nil || len(g.faults) > 0 {
		t.Errorf("held: %t, %v %v", held, err, g.faults)
	}
}
