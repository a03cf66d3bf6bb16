package kernel

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// checker finds what stands in the way of the overlay.
type checker struct {
	network []netip.Prefix
	own     []netip.Prefix
	lans    []netip.Prefix // behind this host
	device  int            // index of our device; 0: there is none
	links   map[int]link   // may be nil: then no link is known to be a bridge or ours
}

// address reports the conflict that a makes, or nil. Allowed are our device's own addresses, those of a bridge (or anything
// else that weft made) inside our own subnet, those of an interface to a LAN behind this host, and all outside the network.
func (c checker) address(a address) *ConflictError {
	network, inside := containing(netip.PrefixFrom(a.prefix.Addr(), a.prefix.Addr().BitLen()), c.network)
	if !inside || c.oursByLink(a.link) {
		return nil
	}
	l := c.links[a.link]
	if l.kind == "bridge" && within(a.prefix.Masked(), c.own) || within(a.prefix.Masked(), c.lans) {
		return nil
	}
	return &ConflictError{Kind: KindAddress, Foreign: a.prefix, Interface: l.name, Network: network, Leftover: l.weft && l.kind == "tuntap"}
}

// route reports the conflict that r makes, or nil. Allowed are our own routes, all that leads to our device, routes inside
// our own subnet (bridge, pods) or a LAN behind this host, and routes wider than the network.
func (c checker) route(r route) *ConflictError {
	network, inside := containing(r.prefix, c.network)
	if !inside || c.oursByLink(r.link) || within(r.prefix, c.own) || within(r.prefix, c.lans) {
		return nil
	}
	if r.protocol == Protocol && r.kind == unix.RTN_UNREACHABLE {
		return nil
	}
	l := c.links[r.link]
	return &ConflictError{Kind: KindRoute, Foreign: r.prefix, Interface: l.name, Network: network, Leftover: l.weft && l.kind == "tuntap"}
}

// oursByLink reports whether the interface is our device or another that weft made, such as a bridge of an earlier run.
func (c checker) oursByLink(index int) bool {
	return index != 0 && (index == c.device || c.links[index].weft && c.links[index].kind != "tuntap")
}

// first is the conflict of the first address, else of the first route, that makes one. The error is nil or a *ConflictError.
func (c checker) first(addresses []address, routes []route) error {
	for _, a := range addresses {
		if e := c.address(a); e != nil {
			return e
		}
	}
	for _, r := range routes {
		if e := c.route(r); e != nil {
			return e
		}
	}
	return nil
}
