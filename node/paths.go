package node

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// relaying is what the router makes of relays.
func relaying(cfg *config.Config) router.Relaying {
	return router.Relaying{Refuse: cfg.Relay == config.RelayRefuse, Prefer: cfg.Relay == config.RelayPrefer}
}

// pathMTU is the MTU of the overlay towards a peer that is reached, and claims claim. Straight, the underlay's at both ends decides;
// through relays, that at each of them as well, and their fronts take some. A hop that may go over IPv6 has its longer header.
func (n *Node) pathMTU(p *router.PeerStatus, claim *mesh.Claim, members []mesh.Member) int {
	to := p.Endpoint.Addr()
	if p.IsRelayed() {
		to = p.Hop.Addr()
	}
	underlay, is4 := leastMTU(int(n.egress(to).MTU), claim.UnderlayMTU), to.Is4()
	for _, id := range p.Relays {
		if c := claimAmong(members, id); c != nil {
			underlay = leastMTU(underlay, c.UnderlayMTU)
		}
	}
	if p.IsRelayed() {
		is4 = is4 && !slices.ContainsFunc(claim.Endpoints, func(e netip.AddrPort) bool { return e.Addr().Is6() })
	}
	cfg := n.config()
	mtu := underlay - encap.Overhead(cfg.Encryption, is4) - encap.RelayOverhead(len(p.Relays))
	if cfg.MTU > 0 {
		mtu = min(mtu, cfg.MTU)
	}
	return min(max(mtu, leastPathMTU), config.MaxMTU)
}

// leastMTU is the less of an underlay's MTU and of what a node says of its own, if that can be believed.
func leastMTU(underlay, theirs int) int {
	if theirs >= leastUnderlayMTU {
		return min(underlay, theirs)
	}
	return underlay
}

const (
	leastUnderlayMTU = 1280 // what a peer says that is less is not believed: IPv6 links have at least that
	leastPathMTU     = 576  // what every IPv4 host takes (RFC 791)
)

// claimAmong is the claim of a member; nil: it has none that counts.
func claimAmong(members []mesh.Member, id trust.Fingerprint) *mesh.Claim {
	if i := slices.IndexFunc(members, func(m mesh.Member) bool { return m.ID == id }); i >= 0 {
		return members[i].Claim
	}
	return nil
}

// pathReport says how a peer that is up is reached.
func (n *Node) pathReport(r *api.Peer, p *router.PeerStatus, claim *mesh.Claim, members []mesh.Member) {
	r.MTU = n.pathMTU(p, claim, members)
	r.Via, r.Relays, r.Why, r.PathSince = strings.Join(p.Via, ", "), p.Via, p.Why, shown(p.Pathed)
	if p.IsRelayed() {
		r.Tried, r.NoDirect = n.checks.explain(*p), p.NoDirect
	}
}
