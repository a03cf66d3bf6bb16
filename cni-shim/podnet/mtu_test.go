package podnet

import (
	"strings"
	"testing"
)

// Pods keep the MTU that they were made with, and a configuration may give some a lower one.
func TestWhatIsTooLongForAPodComesInFragments(t *testing.T) {
	s := newSite(t, 2, "ping")
	s.attach(1)
	low := s.pod(1)
	low.MTU = 1280
	g := NewGuard("weftbr0")
	s.do(func(h *Host) error {
		if err := g.Add(low.Member()); err != nil {
			return err
		}
		_, err := h.Attach(low)
		return err
	})
	for _, to := range []string{"10.244.1.11", "fd10:244:0:1::11"} {
		if !s.pings(s.vm, to, "-s 1350", "-M dont") {
			t.Errorf("long packets of the host to %s are lost", to)
		}
	}
	if !s.pings(s.pods[0], "10.244.1.11", "-s 1350", "-M dont") {
		t.Error("long packets of another pod are lost")
	}
	higher := wantedBridge()
	higher.MTU = 1500
	for _, want := range []Bridge{wantedBridge(), higher} {
		if changed := s.setBridge(want); changed.Any() {
			t.Errorf("with an MTU of %d wanted: %v", want.MTU, changed)
		}
	}
	s.do(func(h *Host) error { return h.Detach(Gone{HostEnd: low.HostEnd, Bridge: low.Bridge, Addrs: low.Addrs}) })
	if changed := s.setBridge(higher); !strings.Contains(changed.String(), "MTU 1440") {
		t.Errorf("without the pod of 1280, with one of 1440: %v", changed)
	}
	s.do(func(h *Host) error {
		p := s.pod(0)
		return h.Detach(Gone{HostEnd: p.HostEnd, Bridge: p.Bridge, Addrs: p.Addrs})
	})
	if changed := s.setBridge(higher); !strings.Contains(changed.String(), "MTU 1500") {
		t.Errorf("without pods: %v", changed)
	}
}
