package kernel

import (
	"fmt"
	"net/netip"
)

// ConflictError says that something of the host lies where the overlay is to be, or has the place of a route to a LAN behind
// a peer. Its text is one line for the user.
type ConflictError struct {
	Kind      Kind         // KindAddress or KindRoute
	Foreign   netip.Prefix // the address with its prefix length, or the route's prefix
	Interface string       // that it is on or leads to; empty: none (a blackhole route)
	Network   netip.Prefix // the prefix of the overlay that it lies in; with LAN that of the route
	LAN       bool         // Network lies behind a peer, and the host has a route of its own to it
	Leftover  bool         // Interface is a device that weft made under another name
}

func (e *ConflictError) Error() string {
	what := fmt.Sprintf("address %v", e.Foreign)
	if e.Kind == KindRoute {
		what = fmt.Sprintf("route %v", e.Foreign)
	}
	if e.Interface != "" {
		what += " of " + e.Interface
	}
	if e.LAN {
		return fmt.Sprintf("%s stands in the way of %v, which lies behind a peer: the host keeps its own way there; remove one of the two",
			what, e.Network)
	}
	if e.Leftover {
		return fmt.Sprintf("%s lies inside the overlay network %v: a weft with another device name left it; run 'weft down --device %s' first",
			what, e.Network, e.Interface)
	}
	return fmt.Sprintf("%s lies inside the overlay network %v: remove it, or choose another network", what, e.Network)
}
