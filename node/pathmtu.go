package node

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
)

const (
	leastUnderlayMTU = 1280 // what a peer says that is less is not believed: IPv6 links have at least that
	leastPathMTU     = 576  // what every IPv4 host takes (RFC 791)
)

// interfaceMTU is the longest IP packet that this host's interface towards an address takes; what the kernel has learnt of the
// way behind it, by ICMP that anybody may have sent, does not count. The zero address asks for the default route.
func (n *Node) interfaceMTU(to netip.Addr) int {
	e := n.egress(to)
	if e.Link == 0 {
		return int(e.MTU)
	}
	return int(e.Link)
}

// linkMTU is the longest IP packet that the interfaces at both ends of a path and at its relays take; what lies between may
// take less. It begins at the address to, and leads to a member that claims claim; the zero status is that of one that is not
// reached.
func (n *Node) linkMTU(to netip.Addr, p *router.PeerStatus, claim *mesh.Claim, members []mesh.Member) int {
	mtu := leastMTU(n.interfaceMTU(to), claim.UnderlayMTU)
	for _, id := range p.Relays {
		if c := claimAmong(members, id); c != nil {
			mtu = leastMTU(mtu, c.UnderlayMTU)
		}
	}
	return mtu
}

// leastMTU is the less of an underlay's MTU and of what a node says of its own, if that can be believed.
func leastMTU(underlay, theirs int) int {
	if theirs >= leastUnderlayMTU {
		return min(underlay, theirs)
	}
	return underlay
}

// reachedAt is where packets to a peer leave to: its endpoint, that of its first relay, or where it will be called.
func reachedAt(p *router.PeerStatus, endpoints []netip.AddrPort) netip.Addr {
	switch {
	case p.Endpoint.IsValid():
		return p.Endpoint.Addr()
	case p.Hop.IsValid():
		return p.Hop.Addr()
	case len(endpoints) > 0:
		return endpoints[0].Addr()
	}
	return netip.Addr{}
}

// pathMTU is the MTU of the overlay towards a peer that is reached, and claims claim: what its path carries, as far as the
// router knows; and not more than is configured. Before that the interfaces' MTUs decide, and the fronts for relays take some;
// a hop that may go over IPv6 has its longer header.
func (n *Node) pathMTU(p *router.PeerStatus, claim *mesh.Claim, members []mesh.Member) int {
	cfg, mtu := n.config(), p.InnerMTU
	if mtu == 0 {
		to := reachedAt(p, nil)
		is4 := to.Is4()
		if p.IsRelayed() {
			is4 = is4 && !slices.ContainsFunc(claim.Endpoints, func(e netip.AddrPort) bool { return e.Addr().Is6() })
		}
		mtu = n.linkMTU(to, p, claim, members) - encap.Overhead(cfg.Encryption, is4) - encap.RelayOverhead(len(p.Relays))
	}
	if cfg.MTU > 0 {
		mtu = min(mtu, cfg.MTU)
	}
	return min(max(mtu, leastPathMTU), config.MaxMTU)
}

// routeMTU is the MTU of a route to a prefix behind a path of that MTU. IPv6 has its least everywhere (RFC 8200, section 5):
// what is longer than the path takes goes in parts.
func routeMTU(prefix netip.Prefix, mtu int) kernel.OverlayMTU {
	if prefix.Addr().Is6() {
		mtu = max(mtu, config.MinMTU)
	}
	return kernel.OverlayMTU(mtu)
}

// clamp is mss_clamp as the packet filter knows it.
func clamp(k encap.Knob) firewall.Clamp {
	switch k {
	case encap.KnobOff:
		return firewall.ClampOff
	case encap.KnobOn:
		return firewall.ClampOn
	default:
		return firewall.ClampAuto
	}
}
