package kernel

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// owner tells our routes from those of others, also from those of another weft on the same host (another device, another
// network).
type owner struct {
	link    int // index of our device; 0: it is gone, and the kernel took its routes with it
	network []netip.Prefix
	alone   func() bool // reports whether no other weft device exists; asked only when it matters
}

// ours reports whether weft made r, for this device.
func (o owner) ours(r route) bool {
	switch {
	case r.protocol != Protocol:
		return false
	case r.kind == unix.RTN_UNICAST:
		return o.link != 0 && r.link == o.link && !r.many && !r.gateway.IsValid()
	}
	// An unreachable route has no device. One outside the network was left by a run with another network, or belongs to
	// another weft.
	return within(r.prefix, o.network) || o.alone()
}

// owner is how to tell our routes for the device with the interface index link.
func (h *Host) owner(index int, network []netip.Prefix) owner {
	var known, alone bool
	return owner{link: index, network: network, alone: func() bool {
		if !known {
			known, alone = true, h.alone(index)
		}
		return alone
	}}
}

func (h *Host) alone(index int) bool {
	links, err := h.links()
	if err != nil {
		return false
	}
	for _, l := range links {
		if l.weft && l.kind == "tuntap" && l.index != index {
			return false
		}
	}
	return true
}
