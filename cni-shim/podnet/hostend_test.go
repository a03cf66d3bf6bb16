package podnet

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestABridgeOfSomebodyElseIsLeftAsItIs(t *testing.T) {
	s := newSite(t, 0)
	s.run(s.vm, "ip link add weftbr0 type bridge; ip addr add 10.244.1.1/24 dev weftbr0; ip link set weftbr0 up") // as Docker makes it
	const look = "ip -d -o link show weftbr0 | grep -o 'link/ether [^ ]*\\|mtu [0-9]*\\|alias.*\\|mcast_snooping [0-9]'; ip -4 -o addr show dev weftbr0; sysctl net.ipv4.conf.weftbr0"
	before := s.run(s.vm, look)
	foreign := new(ForeignError)
	for what, fn := range map[string]func(h *Host) error{
		"set":    func(h *Host) error { _, err := h.SetBridge(wantedBridge()); return err },
		"remove": func(h *Host) error { return h.RemoveBridge("weftbr0") },
		"look":   func(h *Host) error { b, err := h.Bridge("weftbr0"); return errors.Join(b.Taken, err) },
	} {
		if err := s.try(fn); !errors.As(err, &foreign) || foreign.Name != "weftbr0" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.do(func(h *Host) error { return h.DropGateway("weftbr0", gateways[0]) })
	if after := s.run(s.vm, look); after != before {
		t.Errorf("after:\n%s\nbefore:\n%s", after, before)
	}
}

func TestOurBridgeIsKnownByMACOrAliasWhicheverSomebodyChanged(t *testing.T) {
	s := newSite(t, 0)
	s.setBridge(wantedBridge())
	for _, damage := range []string{"ip link set weftbr0 address 02:00:00:00:00:07", "ip link set weftbr0 alias ''"} {
		s.run(s.vm, damage)
		if changes := s.setBridge(wantedBridge()); len(changes) != 1 {
			t.Errorf("%s: %v", damage, changes)
		}
	}
	s.do(func(h *Host) error {
		b, err := h.Bridge("weftbr0")
		if !b.Ours || b.Taken != nil || !slices.Equal(b.Addresses, gateways) {
			t.Errorf("bridge %+v", b)
		}
		return err
	})
}

func TestPodsReachEachOtherAgainOnceTheBridgeIsMadeAnewAndTheyArePluggedIn(t *testing.T) {
	s := newSite(t, 2)
	s.attach(2)
	s.do(func(h *Host) error { return h.RemoveBridge("weftbr0") })
	states := func() (masters []string) {
		s.do(func(h *Host) error {
			list, err := h.HostEndStates()
			for i := range 2 {
				state := list[s.pod(i).HostEnd]
				if !state.Up {
					t.Errorf("the host end of pod %d is down", i)
				}
				masters = append(masters, state.Master)
			}
			return err
		})
		return masters
	}
	if got := states(); !slices.Equal(got, []string{"", ""}) {
		t.Errorf("without the bridge the host ends are ports of %q", got)
	}
	s.do(func(h *Host) error {
		_, err := h.SetBridge(wantedBridge())
		for i := range 2 {
			p := s.pod(i)
			err = errors.Join(err, h.Replug(Pod{HostEnd: p.HostEnd, Bridge: p.Bridge, Addrs: p.Addrs}))
		}
		g := NewGuard("weftbr0")
		_, guardErr := g.Set(s.members(2)) // which lets the ports talk to each other
		err = errors.Join(err, guardErr)
		for i := range 2 {
			err = errors.Join(err, h.Check(wantedBridge(), s.pod(i)), g.Check(s.pod(i).Member()))
		}
		return err
	})
	if got := states(); !slices.Equal(got, []string{"weftbr0", "weftbr0"}) {
		t.Errorf("the host ends are ports of %q", got)
	}
	for _, to := range s.pod(1).Addrs {
		if !s.pings(s.pods[0], gatewayOf(to).String()) {
			t.Errorf("pod 0 does not reach its gateway for %v", to)
		}
	}
	s.do(func(h *Host) error {
		if size, err := h.GSOMaxSize("weftbr0"); size < 1<<15 || err != nil {
			t.Errorf("gso_max_size %d, %v", size, err)
		}
		size, err := h.GSOMaxSize("missing0")
		if size != 0 {
			t.Errorf("gso_max_size of no device: %d", size)
		}
		for range 2 {
			err = errors.Join(err, h.DropGateway("weftbr0", gateways[1]))
		}
		b, lookErr := h.Bridge("weftbr0")
		if !slices.Equal(b.Addresses, gateways[:1]) {
			t.Errorf("gateways %v", b.Addresses)
		}
		return errors.Join(err, lookErr)
	})
}

func gatewayOf(a netip.Addr) netip.Addr {
	for _, g := range gateways {
		if g.Addr().Is4() == a.Is4() {
			return g.Addr()
		}
	}
	return netip.Addr{}
}
