package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// State is everything that weft wants of the packet filter, the whole of it each time.
type State struct {
	Device  string         // weft's device; it need not exist
	Network []netip.Prefix // the whole overlay
	Own     []netip.Prefix // our subnets, inside it: what leaves the overlay from them is masqueraded
	Routes  []netip.Prefix // networks behind this node, which are part of the overlay
	Bridge  string         // what the pods of this node are plugged into; empty: there is none
	Clamp   Clamp          // of the segment size of what is forwarded into the device

	// Off: nothing of ours shall be there. All but Device is ignored then.
	Off bool
}

// validate checks the shape of a state, so that a slip is named here and not by an errno.
func (s State) validate() error {
	if s.Device == "" || len(s.Device) >= interfaceName {
		return fmt.Errorf("firewall: %q is not the name of an interface", s.Device)
	}
	if len(s.Bridge) >= interfaceName {
		return fmt.Errorf("firewall: %q is not the name of an interface", s.Bridge)
	}
	if s.Off {
		return nil
	}
	if len(s.Network) == 0 {
		return errors.New("firewall: the overlay has no network")
	}
	for _, p := range slices.Concat(s.Network, s.Own, s.Routes) {
		if !p.IsValid() || p.Addr().Is4In6() || p != p.Masked() {
			return fmt.Errorf("firewall: %v is not a prefix (address bits beyond its length must be zero)", p)
		}
	}
	return nil
}

func (s State) equal(o State) bool {
	return s.Device == o.Device && s.Off == o.Off && s.Clamp == o.Clamp && s.Bridge == o.Bridge && slices.Equal(s.Network, o.Network) &&
		slices.Equal(s.Own, o.Own) && slices.Equal(s.Routes, o.Routes)
}

// clone is a state that shares nothing with s.
func (s State) clone() State {
	s.Network, s.Own, s.Routes = slices.Clone(s.Network), slices.Clone(s.Own), slices.Clone(s.Routes)
	return s
}

// has reports whether the overlay carries packets of a family.
func (s State) has(ipv4 bool) bool {
	return slices.ContainsFunc(slices.Concat(s.Network, s.Routes), func(p netip.Prefix) bool { return p.Addr().Is4() == ipv4 })
}
