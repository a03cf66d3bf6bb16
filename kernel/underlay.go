package kernel

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// underlay is one look at what the host has outside the overlay.
type underlay struct {
	links     map[int]link
	addresses []address // usable ones, the best first within a family
	routes    []route
}

// look looks at the host.
func (h *Host) look() (u underlay, err error) {
	if u.links, err = h.links(); err != nil {
		return u, err
	}
	if u.routes, err = h.routes(); err != nil {
		return u, err
	}
	all, err := h.addresses()
	if err != nil {
		return u, err
	}
	for _, a := range all {
		l := u.links[a.link]
		if a.usable() && l.carrier && !l.weft {
			u.addresses = append(u.addresses, a)
		}
	}
	slices.SortStableFunc(u.addresses, func(a, b address) int { return cmp.Compare(a.rank(), b.rank()) })
	return u, nil
}

// rank orders addresses of one interface: IPv4 before IPv6, stable before temporary, public before unique local.
func (a address) rank() int {
	rank := 0
	if a.prefix.Addr().Is6() {
		rank += 4
		if a.prefix.Addr().IsPrivate() {
			rank++
		}
	}
	if a.temporary() {
		rank += 2
	}
	return rank
}

// byDefaultRoute is the egress of the default route with the lowest metric, of the family of to or of IPv4 before IPv6.
func (u underlay) byDefaultRoute(to netip.Addr) (Egress, bool) {
	for _, r := range u.defaultRoutes() {
		if !family(r.prefix.Addr(), to) {
			continue
		}
		l := u.links[r.link]
		if source, ok := u.source(r); ok {
			why := fmt.Sprintf("source address of the default route, on %s", l.name)
			return Egress{Source: source, Interface: l.name, MTU: smaller(l.mtu, r.mtu), Link: UnderlayMTU(l.mtu), Why: why}, true
		}
	}
	return Egress{}, false
}

// byAddress is the egress by the first usable address, for hosts without a default route.
func (u underlay) byAddress(to netip.Addr) (Egress, bool) {
	for _, a := range u.candidates() {
		if !family(a.prefix.Addr(), to) {
			continue
		}
		l := u.links[a.link]
		why := fmt.Sprintf("there is no default route; first usable address, on %s", l.name)
		return Egress{Source: a.prefix.Addr(), Interface: l.name, MTU: UnderlayMTU(l.mtu), Link: UnderlayMTU(l.mtu), Why: why}, true
	}
	return Egress{}, false
}

// family reports whether a is of the family of to; zero asks for any.
func family(a, to netip.Addr) bool { return !to.IsValid() || a.Is4() == to.Is4() }

// defaultRoutes are those in use, IPv4 first, by metric.
func (u underlay) defaultRoutes() []route {
	var list []route
	for _, r := range u.routes {
		l := u.links[r.link]
		if r.prefix.Bits() == 0 && r.kind == unix.RTN_UNICAST && r.protocol != Protocol && l.carrier && !l.weft {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.prefix.Addr().BitLen(), b.prefix.Addr().BitLen()), cmp.Compare(a.metric, b.metric))
	})
	return list
}

// source is the address that the kernel takes for packets by r: the route's own, else one of the interface in the gateway's
// subnet, else the interface's first, else the first of any.
func (u underlay) source(r route) (netip.Addr, bool) {
	if r.source.IsValid() {
		return r.source, true
	}
	var best netip.Addr
	for _, a := range u.addresses {
		addr := a.prefix.Addr()
		if a.link != r.link || addr.Is4() != r.prefix.Addr().Is4() {
			continue
		}
		if r.gateway.IsValid() && a.prefix.Contains(r.gateway) {
			return addr, true
		}
		if !best.IsValid() {
			best = addr
		}
	}
	if best.IsValid() {
		return best, true
	}
	return u.sourceOfOthers(r)
}

// sourceOfOthers serves hosts whose uplinks have no address of their own (an address on lo, routes over link-local).
func (u underlay) sourceOfOthers(r route) (netip.Addr, bool) {
	for _, a := range u.addresses {
		if a.prefix.Addr().Is4() == r.prefix.Addr().Is4() && u.uplink(u.links[a.link]) {
			return a.prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// candidates are the addresses that a peer might reach: not those of bridges and tunnels that only lead to this host's own
// guests (docker0, virbr0, flannel.1), unless a gateway lies behind them.
func (u underlay) candidates() []address {
	var list []address
	for _, a := range u.addresses {
		if u.uplink(u.links[a.link]) {
			list = append(list, a)
		}
	}
	return list
}

func (u underlay) uplink(l link) bool {
	switch l.kind {
	case "bridge", "dummy", "vxlan", "geneve", "ipip", "sit", "openvswitch":
	default:
		return true
	}
	for _, r := range u.routes {
		if r.link == l.index && r.gateway.IsValid() {
			return true
		}
	}
	return false
}

// Underlay is what a host has outside the overlay.
type Underlay struct {
	Default Egress // of packets to anywhere; the zero one: there is none
	IPv4    Egress // of those of either family
	IPv6    Egress

	// Addresses are those under which peers might reach this host, the most likely first: that of each family's default route, then the
	// others, IPv4 before IPv6. Left out are the device and all else that weft made, addresses inside the network, link-local,
	// deprecated and tentative ones, those of interfaces that are down, and those of bridges and tunnels without a gateway behind them.
	Addresses []netip.Addr
}

// Underlay looks at the host once for all of it. The error is that of the kernel.
func (h *Host) Underlay(device string, network []netip.Prefix) (Underlay, error) {
	u, err := h.look()
	if err != nil {
		return Underlay{}, err
	}
	found := Underlay{Default: u.egress(netip.Addr{}), IPv4: u.egress(netip.IPv4Unspecified()), IPv6: u.egress(netip.IPv6Unspecified())}
	var list []netip.Addr
	for _, to := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if e, ok := u.byDefaultRoute(to); ok {
			list = append(list, e.Source)
		}
	}
	for _, a := range u.candidates() {
		if u.links[a.link].name != device {
			list = append(list, a.prefix.Addr())
		}
	}
	found.Addresses = distinct(list, network)
	return found, nil
}

// egress is how packets leave by default; the zero one: they do not.
func (u underlay) egress(to netip.Addr) Egress {
	if e, ok := u.byDefaultRoute(to); ok {
		return e
	}
	e, _ := u.byAddress(to)
	return e
}

// distinct drops repeated addresses and those inside network.
func distinct(list []netip.Addr, network []netip.Prefix) []netip.Addr {
	var out []netip.Addr
	for _, a := range list {
		if !slices.Contains(out, a) && !within(netip.PrefixFrom(a, a.BitLen()), network) {
			out = append(out, a)
		}
	}
	return out
}

// InUse reports whether an interface of another name than those of except has an address in one of the subnets: a bridge with
// pods, say. It says true when the host cannot be looked at.
func (h *Host) InUse(subnets []netip.Prefix, except ...string) bool {
	links, err := h.links()
	if err != nil {
		return true
	}
	all, err := h.addresses()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(a address) bool {
		return !slices.Contains(except, links[a.link].name) && slices.ContainsFunc(subnets, func(s netip.Prefix) bool { return s.Contains(a.prefix.Addr()) })
	})
}
