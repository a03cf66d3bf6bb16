package podnet

import (
	"errors"
	"strings"
	"testing"
)

// later is another interface of the first pod.
func (s *site) later() Pod {
	p := s.pod(0)
	p.IfName, p.HostEnd, p.Addrs = "net1", HostEnd("container-0", "net1"), addrs("10.244.1.20", "fd10:244:0:1::20")
	return p
}

// add guards and attaches one pod.
func (s *site) add(p Pod) {
	s.t.Helper()
	s.do(func(h *Host) error {
		if err := NewGuard(p.Bridge).Add(p.Member()); err != nil {
			return err
		}
		_, err := h.Attach(p)
		return err
	})
}

func (s *site) reaches(from int, to ...string) {
	s.t.Helper()
	for _, a := range to {
		if !s.pings(s.pods[from], a) {
			s.t.Errorf("pod %d does not reach %s", from, a)
		}
	}
}

func TestALaterInterfaceOfAPodTakesNothingFromTheFirst(t *testing.T) {
	s := newSite(t, 2, "ping")
	s.attach(2)
	first, later := s.pod(0), s.later()
	const look = "ip route; ip -6 route; ip rule; ip -6 rule"
	before := s.run(s.pods[0], look)
	s.add(later)
	s.reaches(1, "10.244.1.10", "fd10:244:0:1::10", "10.244.1.20", "fd10:244:0:1::20")
	s.reaches(0, "10.244.1.11", "fd10:244:0:1::11")
	s.do(func(h *Host) error {
		return errors.Join(h.Check(wantedBridge(), first), h.Check(wantedBridge(), later))
	})
	s.do(func(h *Host) error {
		return h.Detach(Gone{HostEnd: later.HostEnd, Bridge: later.Bridge, Addrs: later.Addrs, NetNS: later.NetNS, IfName: later.IfName})
	})
	if now := s.run(s.pods[0], look); now != before {
		t.Errorf("after its removal routes and rules are\n%s\nnot\n%s", now, before)
	}
	s.add(later)
	s.do(func(h *Host) error {
		return h.Detach(Gone{HostEnd: first.HostEnd, Bridge: first.Bridge, Addrs: first.Addrs})
	})
	s.reaches(1, "10.244.1.20", "fd10:244:0:1::20")
	s.reaches(0, "10.244.1.11", "fd10:244:0:1::11")
}

func TestCheckFindsWhatIsMissingOfALaterInterface(t *testing.T) {
	s := newSite(t, 1)
	s.attach(1)
	s.add(s.later())
	_, table, _ := strings.Cut(s.run(s.pods[0], "ip rule | grep 10.244.1.20"), "lookup ")
	table = strings.TrimSpace(table)
	for _, c := range []struct{ damage, says string }{
		{"ip -6 rule del from fd10:244:0:1::20", "the pod has no rule that leads packets from fd10:244:0:1::20 to net1"},
		{"ip route del default table " + table, "the pod has no route default via 10.244.1.1 dev net1 in table " + table},
	} {
		s.run(s.pods[0], c.damage)
		err := s.try(func(h *Host) error { return h.Check(wantedBridge(), s.later()) })
		if broken := (*BrokenError)(nil); !errors.As(err, &broken) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("after %q: %v", c.damage, err)
		}
	}
}

// A rule of somebody else's for an address of the pod stays.
func TestOnlyRulesOfALaterInterfaceAreForgotten(t *testing.T) {
	s := newSite(t, 1)
	s.attach(1)
	later := s.later()
	s.run(s.pods[0], "ip rule add from 10.244.1.20 lookup 100 priority 77")
	s.add(later)
	s.run(s.vm, "ip link delete "+later.HostEnd) // as if DEL had been killed behind that
	s.do(func(h *Host) error {
		return h.Detach(Gone{HostEnd: later.HostEnd, Bridge: later.Bridge, Addrs: later.Addrs, NetNS: later.NetNS, IfName: later.IfName})
	})
	if rules := s.run(s.pods[0], "ip rule | grep 10.244.1.20; ! ip -6 rule | grep fd10:"); strings.TrimSpace(rules) != "77:\tfrom 10.244.1.20 lookup 100" {
		t.Errorf("there are the rules\n%s", rules)
	}
}

func TestADefaultRouteOfAnotherPluginStays(t *testing.T) {
	s := newSite(t, 1, "ping")
	s.run(s.pods[0], "ip route add default via 192.0.2.1 dev eth0; ip -6 route add default via fe80::1 dev eth0")
	s.attach(1)
	for _, to := range []string{"198.51.100.1", "2001:db8::1"} {
		if way := s.run(s.pods[0], "ip route get "+to); !strings.Contains(way, "dev eth0") {
			t.Errorf("to %s it goes %s", to, way)
		}
	}
	if !s.pings(s.vm, "10.244.1.10") || !s.pings(s.vm, "fd10:244:0:1::10") {
		t.Error("the host does not reach the pod")
	}
}

func TestTheGatewayOfASubnetIsOnOneInterface(t *testing.T) {
	s := newSite(t, 0)
	s.setBridge(wantedBridge())
	other := wantedBridge()
	other.Name = "other0"
	err := s.try(func(h *Host) error { _, err := h.SetBridge(other); return err })
	if !errors.As(err, new(*GatewayError)) || !strings.Contains(err.Error(), "other0 cannot have 10.244.1.1/24: weftbr0 has it") {
		t.Errorf("err = %v", err)
	}
	if links := s.run(s.vm, "ip -br link"); strings.Contains(links, "other0") {
		t.Errorf("there is\n%s", links)
	}
	other.Gateways = prefixes("10.244.2.1/24")
	s.setBridge(other)
}
