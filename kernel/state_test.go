package kernel

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAStateThatMakesNoSenseIsRefusedBeforeAnythingIsDone(t *testing.T) {
	for want, spoil := range map[string]func(*State){
		"is not an overlay address":       func(s *State) { s.Addresses = append(s.Addresses, netip.Addr{}) },
		"::ffff:1.2.3.4 is not an":        func(s *State) { s.Addresses = addrs("::ffff:1.2.3.4") },
		"10.244.1.1/24 is not a prefix":   func(s *State) { s.Own[0] = prefixes("10.244.1.1/24")[0] },
		"is not a prefix":                 func(s *State) { s.Network = []netip.Prefix{{}} },
		"10.244.2.0/24 is wanted twice":   func(s *State) { s.Routes = append(s.Routes, s.Routes[0]) },
		"of the other address family":     func(s *State) { s.Routes[0].Source = addrs("fd00::1")[0] },
		"10.244.2.7/24 is not a prefix (": func(s *State) { s.Routes[0].Prefix = prefixes("10.244.2.7/24")[0] },
	} {
		state := dualStack()
		spoil(&state)
		changes, err := (&Host{}).Set(state)
		if err == nil || !strings.Contains(err.Error(), want) || changes.Any() {
			t.Errorf("Set = %v, %v, want an error with %q", changes, err, want)
		}
	}
}

func TestTheOverlayMTUIsWhatTheOverheadLeaves(t *testing.T) {
	if got := UnderlayMTU(1500).Overlay(60); got != 1440 {
		t.Errorf("got %d, want 1440", got)
	}
}

func TestSeveralFaultsAreOneLine(t *testing.T) {
	var f faults
	if f.err() != nil {
		t.Error("no fault is an error")
	}
	f.add(nil)
	f.add(ErrNoDevice)
	f.add(ErrNoAddress)
	if got := f.err().Error(); got != "no such device (and 1 more)" {
		t.Errorf("got %q", got)
	}
}
