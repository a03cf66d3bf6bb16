package pods

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/kernel"
)

// fakeHost is a host's network stack.
type fakeHost struct {
	exists, foreign bool
	bridge          podnet.Bridge // as it is
	ends            map[string]podnet.HostEndState
	guard           []podnet.Member
	guarded         bool // the table exists
	unguarded       error
	gso             int
	sets            int // of the bridge
	plugged         []string
	routes          []netip.Addr
	unroutable      error
	unlistable      error // of Interfaces
}

func newFakeHost() *fakeHost { return &fakeHost{ends: map[string]podnet.HostEndState{}, gso: 65536} }

// Bridge implements Host.
func (h *fakeHost) Bridge() (podnet.BridgeState, error) {
	switch {
	case h.foreign:
		return podnet.BridgeState{Taken: &podnet.ForeignError{Name: Bridge}}, nil
	case !h.exists:
		return podnet.BridgeState{}, nil
	}
	return podnet.BridgeState{Ours: true, Addresses: slices.Clone(h.bridge.Gateways)}, nil
}

// SetBridge implements Host: addresses that are there stay.
func (h *fakeHost) SetBridge(want podnet.Bridge) (kernel.Changes, error) {
	h.sets++
	if h.foreign {
		return nil, &podnet.ForeignError{Name: Bridge}
	}
	had := h.bridge
	if !h.exists {
		had = podnet.Bridge{}
	}
	now := want
	now.Gateways = slices.Clone(want.Gateways)
	for _, g := range had.Gateways {
		if !slices.Contains(now.Gateways, g) {
			now.Gateways = append(now.Gateways, g)
		}
	}
	slices.SortFunc(now.Gateways, netip.Prefix.Compare)
	h.bridge, h.exists = now, true
	if reflect.DeepEqual(had, now) {
		return nil, nil
	}
	return kernel.Changes{{Op: kernel.Changed, Kind: podnet.KindBridge, What: fmt.Sprint(now)}}, nil
}

// DropGateway implements Host.
func (h *fakeHost) DropGateway(a netip.Prefix) error {
	h.bridge.Gateways = slices.DeleteFunc(h.bridge.Gateways, func(g netip.Prefix) bool { return g == a })
	return nil
}

// SetHostRoutes implements Host.
func (h *fakeHost) SetHostRoutes(to []netip.Addr) (kernel.Changes, error) {
	if h.unroutable != nil || slices.Equal(h.routes, to) {
		return nil, h.unroutable
	}
	h.routes = to
	return kernel.Changes{{Op: kernel.Changed, Kind: podnet.KindBridge, What: fmt.Sprint(to)}}, nil
}

// RemoveBridge implements Host.
func (h *fakeHost) RemoveBridge() error {
	h.exists, h.bridge = false, podnet.Bridge{}
	for name, end := range h.ends {
		h.ends[name] = podnet.HostEndState{Up: end.Up}
	}
	return nil
}

// HostEnds implements Host.
func (h *fakeHost) HostEnds() (map[string]podnet.HostEndState, error) { return maps.Clone(h.ends), nil }

// Interfaces implements Host.
func (h *fakeHost) Interfaces() (map[string]bool, error) {
	names := map[string]bool{}
	for name := range h.ends {
		names[name] = true
	}
	return names, h.unlistable
}

// Replug implements Host.
func (h *fakeHost) Replug(p podnet.Pod) error {
	h.plugged = append(h.plugged, p.HostEnd)
	h.ends[p.HostEnd] = podnet.HostEndState{Master: p.Bridge, Up: h.ends[p.HostEnd].Up}
	return nil
}

// GSOMaxSize implements Host.
func (h *fakeHost) GSOMaxSize(string) (int, error) { return h.gso, nil }

// SetGuard implements Host.
func (h *fakeHost) SetGuard(members func() ([]podnet.Member, error)) (kernel.Changes, error) {
	list, err := members()
	if err != nil || h.unguarded != nil {
		return nil, errors.Join(err, h.unguarded)
	}
	same := h.guarded && reflect.DeepEqual(h.guard, list)
	h.guard, h.guarded = list, true
	if same {
		return nil, nil
	}
	return kernel.Changes{{Op: kernel.Changed, Kind: podnet.KindGuard, What: "weft"}}, nil
}

// GuardDamaged implements Host.
func (h *fakeHost) GuardDamaged() (bool, error) { return !h.guarded, h.unguarded }

// ClearGuard implements Host.
func (h *fakeHost) ClearGuard() error {
	h.guard, h.guarded = nil, false
	return nil
}
