package kernel

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Egress is how packets of weft leave this host.
type Egress struct {
	Source    netip.Addr  // the source address that the kernel takes
	Interface string      // that they leave by
	MTU       UnderlayMTU // of the interface, or of the route if that has a smaller one
	Link      UnderlayMTU // of the interface
	Why       string      // how Source was found, for status: "source address of the default route, on eth0"
}

// Egress finds how packets to an underlay destination leave. The zero address, or an unspecified one (0.0.0.0, ::), asks for
// the default route: of IPv4, else of IPv6, or of that family only; a host without one gets its first usable global address.
// Errors: ErrNoAddress, ErrOverlay, or that of the kernel (such as ENETUNREACH).
func (h *Host) Egress(to netip.Addr) (Egress, error) {
	to = to.Unmap()
	if to.IsValid() && !to.IsUnspecified() {
		return h.egressTo(to)
	}
	u, err := h.look()
	if err != nil {
		return Egress{}, err
	}
	if e := u.egress(to); e.Source.IsValid() {
		return e, nil
	}
	return Egress{}, fmt.Errorf("kernel: egress: %w: neither a default route nor a global address on an interface that is up", ErrNoAddress)
}

// egressTo asks the kernel, so that policy rules and learned path MTUs count too.
func (h *Host) egressTo(to netip.Addr) (Egress, error) {
	operation := fmt.Sprintf("egress to %v", to)
	found, err := h.nl.RouteGet(to.AsSlice())
	if err != nil || len(found) == 0 {
		return Egress{}, explainFor(to, operation, err)
	}
	n, err := h.nl.LinkByIndex(found[0].LinkIndex)
	if err != nil {
		return Egress{}, explain(operation, err)
	}
	l := linkFrom(n)
	if l.weft || found[0].Protocol == Protocol {
		return Egress{}, fmt.Errorf("kernel: %s: %w (%s)", operation, ErrOverlay, l.name)
	}
	why := fmt.Sprintf("source address of the route to %v, on %s", to, l.name)
	if found[0].Type == unix.RTN_LOCAL {
		why = fmt.Sprintf("%v is an address of this host", to)
	}
	return Egress{Source: addrFrom(found[0].Src), Interface: l.name, MTU: smaller(l.mtu, found[0].MTU), Link: UnderlayMTU(l.mtu), Why: why}, nil
}

// smaller is the MTU of an interface or of a route, which is 0 if it has none of its own.
func smaller(link, route int) UnderlayMTU {
	if route != 0 && route < link {
		return UnderlayMTU(route)
	}
	return UnderlayMTU(link)
}
