package kernel

import (
	"fmt"
	"net/netip"
	"slices"
)

// State is everything that weft wants of the host, the whole of it each time.
type State struct {
	Device    string         // weft's device; empty: there is none yet, see ErrNoDevice
	MTU       OverlayMTU     // of the device; 0 leaves it alone
	Addresses []netip.Addr   // our overlay addresses, at most one of each family is usual
	Own       []netip.Prefix // our subnets
	LANs      []netip.Prefix // behind this host: what the host has for them may lie inside the network
	Network   []netip.Prefix // the whole overlay
	Routes    []Route        // what the peers own

	// KeepRoutes leaves peer routes of an earlier run alone that Routes does not name: a daemon that has just started
	// does not know yet which peers it reaches.
	KeepRoutes bool
}

// Route leads a prefix of a peer to the device.
type Route struct {
	Prefix netip.Prefix
	MTU    OverlayMTU // of the path to the peer; 0: the device's
	Source netip.Addr // source of the host's own packets; zero: our address of the family, if there is one
}

// validate checks the shape of a state, so that a slip is named here and not by an errno.
func (s State) validate() error {
	for _, a := range s.Addresses {
		if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
			return fmt.Errorf("%v is not an overlay address", a)
		}
	}
	for _, p := range slices.Concat(s.Own, s.LANs, s.Network) {
		if err := validPrefix(p); err != nil {
			return err
		}
	}
	return s.validateRoutes()
}

func (s State) validateRoutes() error {
	seen := make(map[netip.Prefix]bool, len(s.Routes))
	for _, r := range s.Routes {
		if err := validPrefix(r.Prefix); err != nil {
			return err
		}
		if seen[r.Prefix] {
			return fmt.Errorf("route %v is wanted twice", r.Prefix)
		}
		if r.Source.IsValid() && r.Source.Is4() != r.Prefix.Addr().Is4() {
			return fmt.Errorf("route %v has source %v of the other address family", r.Prefix, r.Source)
		}
		seen[r.Prefix] = true
	}
	return nil
}

func validPrefix(p netip.Prefix) error {
	if !p.IsValid() || p.Addr().Is4In6() || p != p.Masked() {
		return fmt.Errorf("%v is not a prefix (address bits beyond its length must be zero)", p)
	}
	return nil
}

// guards are the unreachable routes of the state, in the order in which they are installed.
func (s State) guards() []route {
	var list []route
	for _, p := range s.Network {
		list = append(list, unreachable(p, networkMetric))
	}
	for _, p := range s.Own {
		list = append(list, unreachable(p, ownMetric))
	}
	return list
}

// peers are the peer routes of the state to the device with the interface index link.
func (s State) peers(link int) []route {
	list := make([]route, len(s.Routes))
	for i, r := range s.Routes {
		if !r.Source.IsValid() {
			r.Source = s.source(r.Prefix)
		}
		list[i] = peerRoute(r, link)
	}
	return list
}

// source is our overlay address of the family of p, the zero address if we have none.
func (s State) source(p netip.Prefix) netip.Addr {
	for _, a := range s.Addresses {
		if a.Is4() == p.Addr().Is4() {
			return a
		}
	}
	return netip.Addr{}
}
