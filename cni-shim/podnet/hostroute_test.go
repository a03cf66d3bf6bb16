package podnet

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/kernel"
)

func TestPodsWithRoutesOfTheirOwnAreReachedThoughTheRestOfTheirSubnetLiesElsewhere(t *testing.T) {
	s := newSite(t, 2, "ping")
	s.attach(2)
	set := func(to ...netip.Addr) (changes kernel.Changes) {
		t.Helper()
		s.do(func(h *Host) (err error) {
			changes, err = h.SetHostRoutes("weftbr0", to)
			return err
		})
		return changes
	}
	first := s.pod(0).Addrs
	if got := set(first...); len(got) != 2 {
		t.Errorf("changes: %v", got)
	}
	if got := set(first...); got.Any() {
		t.Errorf("the second time: %v", got)
	}
	s.run(s.vm, "ip link add elsewhere type bridge; ip link set elsewhere up; ip route add 10.244.1.0/25 dev elsewhere; ip route add fd10:244:0:1::/65 dev elsewhere")
	for i, want := range []bool{true, false} {
		for _, a := range s.pod(i).Addrs {
			if s.pings(s.vm, a.String()) != want {
				t.Errorf("pod %d at %v is reached: %v", i, a, !want)
			}
		}
	}
	if got := set(s.pod(1).Addrs...).String(); strings.Count(got, "10.244.1.1") != 2 || strings.Count(got, "fd10:244:0:1::1") != 2 {
		t.Errorf("from one pod to the other: %s", got)
	}
	for i, want := range []bool{false, true} {
		if s.pings(s.vm, s.pod(i).Addrs[0].String()) != want {
			t.Errorf("pod %d is reached: %v", i, !want)
		}
	}
	set()
	s.run(s.vm, "ip route del 10.244.1.0/25; ip -6 route del fd10:244:0:1::/65; ! ip route show proto 157 | grep . && ! ip -6 route show proto 157 | grep .")
	if !s.pings(s.vm, first[0].String()) {
		t.Error("by the bridge's own route a pod is not reached")
	}
	s.do(func(h *Host) error { return h.RemoveBridge("weftbr0") })
	if set().Any() {
		t.Error("without a bridge something was changed")
	}
}
