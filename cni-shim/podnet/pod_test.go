package podnet

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestAPodReachesItsGatewayAndAnotherPodOfTheNode(t *testing.T) {
	s := newSite(t, 2, "ping")
	s.attach(2)
	for _, to := range []string{"10.244.1.1", "10.244.1.11", "fd10:244:0:1::1", "fd10:244:0:1::11"} {
		if !s.pings(s.pods[0], to) {
			t.Errorf("%s does not answer", to)
		}
	}
	if !s.pings(s.vm, "10.244.1.10") || !s.pings(s.vm, "fd10:244:0:1::10") {
		t.Error("the host does not reach the pod")
	}
}

// What is between the pods sees their packets at the forward hook, with their sources; without the rule they pass.
func TestPodToPodOnOneNodePassesTheForwardHookWithItsSource(t *testing.T) {
	s := newSite(t, 2, "ping")
	s.attach(2)
	s.run(s.vm, `nft 'table inet seen { chain forward { type filter hook forward priority 0; ip saddr 10.244.1.10 ip daddr 10.244.1.11 drop; ip6 saddr fd10:244:0:1::10 ip6 daddr fd10:244:0:1::11 drop; }; }'`)
	if s.pings(s.pods[0], "10.244.1.11") || s.pings(s.pods[0], "fd10:244:0:1::11") {
		t.Error("a packet did not pass the forward hook")
	}
	s.run(s.vm, "nft delete table inet seen")
	if !s.pings(s.pods[0], "10.244.1.11") || !s.pings(s.pods[0], "fd10:244:0:1::11") {
		t.Error("without the rule a packet did not arrive")
	}
}

func TestABridgeIsMadeOnceAndPutRight(t *testing.T) {
	s := newSite(t, 0)
	if !s.setBridge(wantedBridge()).Any() {
		t.Error("nothing was made")
	}
	for _, damage := range []string{
		"true", "ip link set weftbr0 down", "ip link set weftbr0 address 02:00:00:00:00:07", "ip link set weftbr0 mtu 1300",
		"ip addr flush dev weftbr0", "ip link set weftbr0 type bridge mcast_snooping 1", "sysctl -qw net.ipv4.conf.weftbr0.send_redirects=1",
		"ip link set weftbr0 type bridge stp_state 1", "ip link delete weftbr0",
	} {
		s.run(s.vm, damage)
		if changed := s.setBridge(wantedBridge()); changed.Any() != (damage != "true") {
			t.Errorf("after %q: changed %v", damage, changed)
		}
		if changed := s.setBridge(wantedBridge()); changed.Any() {
			t.Errorf("after %q a second Set changed %v", damage, changed)
		}
	}
}

func TestABridgeThatManyMakeAtOnceIsOne(t *testing.T) {
	s := newSite(t, 0)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := s.try(func(h *Host) error { _, err := h.SetBridge(wantedBridge()); return err }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if changed := s.setBridge(wantedBridge()); changed.Any() {
		t.Errorf("it was left unfinished: %v", changed)
	}
}

func TestANameThatIsTakenIsNamedWithTheRemedy(t *testing.T) {
	s := newSite(t, 0)
	s.run(s.vm, "ip link add weftbr0 type veth peer name other")
	err := s.try(func(h *Host) error { _, err := h.SetBridge(wantedBridge()); return err })
	if !errors.As(err, new(*KindError)) || !strings.Contains(err.Error(), "ip link delete weftbr0") {
		t.Errorf("err = %v", err)
	}
}

func TestAttachThatFailsLeavesNothingBehind(t *testing.T) {
	s := newSite(t, 1)
	s.setBridge(wantedBridge())
	before := s.state()
	for what, spoil := range map[string]func(*Pod){
		"no such network namespace": func(p *Pod) { p.NetNS = "/run/netns/none" },
		"another kind":              func(p *Pod) { p.NetNS = "/proc/self/ns/uts" },
		"of the host":               func(p *Pod) { p.NetNS = "/proc/thread-self/ns/net" },
		"already":                   func(p *Pod) { p.IfName = "eth0" },
		"find bridge":               func(p *Pod) { p.Bridge = "none" },
		"mtu":                       func(p *Pod) { p.MTU = 70000 },
		"gateway":                   func(p *Pod) { p.Gateways = p.Gateways[:1] },
		"add route":                 func(p *Pod) { p.Gateways = addrs("127.0.0.1", "ff02::1") },
	} {
		p := s.pod(0)
		spoil(&p)
		err := s.try(func(h *Host) error { _, err := h.Attach(p); return err })
		if what == "mtu" {
			what = "add interface"
		}
		if err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: err = %v", what, err)
		}
		if now := s.state(); now != before {
			t.Errorf("%s: there was\n%s\nand there is\n%s", what, before, now)
		}
	}
}

// state is what the kernel has of pods, on both sides.
func (s *site) state() string {
	s.t.Helper()
	text := s.run(s.vm, "ip -br link | cut -d' ' -f1; ip neigh show dev weftbr0; bridge fdb show br weftbr0 | sed /permanent/d; nft -s list ruleset") +
		s.run(s.pods[0], "ip -br link | cut -d' ' -f1; ip route; ip -6 route")
	return text
}

func TestDetachNeedsNothingButTheNamesAndMayBeCalledAgain(t *testing.T) {
	s := newSite(t, 1)
	s.setBridge(wantedBridge())
	s.run(s.vm, "nft add table bridge weft; nft delete table bridge weft")
	before := s.state()
	p := s.pod(0)
	for _, g := range []Gone{
		{HostEnd: p.HostEnd, Bridge: p.Bridge, Addrs: p.Addrs},
		{HostEnd: p.HostEnd, Bridge: p.Bridge, Addrs: p.Addrs, NetNS: p.NetNS, IfName: p.IfName},
		{HostEnd: p.HostEnd, Bridge: "none", Addrs: nil, NetNS: "/run/netns/none"},
	} {
		s.attach(1)
		for range 2 {
			s.do(func(h *Host) error { return h.Detach(g) })
		}
		s.do(func(h *Host) error { return NewGuard("weftbr0").Clear() })
		if g.Addrs == nil {
			s.run(s.vm, "ip neigh flush dev weftbr0 nud permanent; ip -6 neigh flush dev weftbr0 nud permanent")
		}
		if now := s.state(); now != before {
			t.Errorf("%+v: there was\n%s\nand there is\n%s", g, before, now)
		}
	}
}

func TestARenamedHostEndIsDetachedThroughThePod(t *testing.T) {
	s := newSite(t, 1)
	s.attach(1)
	p := s.pod(0)
	s.run(s.vm, "ip link set "+p.HostEnd+" down; ip link set "+p.HostEnd+" name elsewhere")
	s.do(func(h *Host) error {
		return h.Detach(Gone{HostEnd: p.HostEnd, Bridge: p.Bridge, Addrs: p.Addrs, NetNS: p.NetNS, IfName: p.IfName})
	})
	if links := s.run(s.vm, "ip -br link"); strings.Contains(links, "elsewhere") {
		t.Errorf("left:\n%s", links)
	}
}
