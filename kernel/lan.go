package kernel

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Unreached lists those of lans, the networks behind this host, to which the host has no way of its own: no route to the
// prefix, around it or into it over an interface with a carrier. Not counted are default routes, which exist on every host
// and say nothing of the LAN, weft's own routes, and what leads to a device of weft. The order is that of lans. A host that
// cannot be looked at reaches everything: whoever asks changes nothing then.
func (h *Host) Unreached(lans []netip.Prefix) []netip.Prefix {
	if len(lans) == 0 {
		return nil
	}
	routes, err := h.routes()
	if err != nil {
		return nil
	}
	links, err := h.links()
	if err != nil {
		return nil
	}
	ways := slices.DeleteFunc(routes, func(r route) bool {
		l := links[r.link]
		return r.kind != unix.RTN_UNICAST || r.prefix.Bits() == 0 || r.protocol == Protocol || l.weft && l.kind == "tuntap" || !l.carrier
	})
	return slices.DeleteFunc(slices.Clone(lans), func(lan netip.Prefix) bool {
		return slices.ContainsFunc(ways, func(r route) bool { return r.prefix.Overlaps(lan) })
	})
}
