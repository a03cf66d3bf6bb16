package node

import (
	"slices"
	"strings"

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

// claimAmong is the claim of a member; nil: it has none that counts.
func claimAmong(members []mesh.Member, id trust.Fingerprint) *mesh.Claim {
	if i := slices.IndexFunc(members, func(m mesh.Member) bool { return m.ID == id }); i >= 0 {
		return members[i].Claim
	}
	return nil
}

// pathReport says how a peer that is up is reached.
func (n *Node) pathReport(r *api.Peer, p *router.PeerStatus, claim *mesh.Claim, members []mesh.Member) {
	r.MTU, r.PathMTU, r.MTUKnown = n.pathMTU(p, claim, members), p.PathMTU, string(p.MTUKnown)
	r.Via, r.Relays, r.Standby, r.Why, r.PathSince = strings.Join(p.Via, ", "), p.Via, p.Spare, p.Why, shown(p.Pathed)
	r.EndpointWhy, r.Candidates = p.EndpointWhy, candidatesOf(p)
	if p.IsRelayed() {
		r.Tried, r.NoDirect = n.checks.explain(*p), p.NoDirect
	}
}

// candidatesOf are the endpoints of a peer that are compared.
func candidatesOf(p *router.PeerStatus) (list []api.Candidate) {
	for _, c := range p.Candidates {
		list = append(list, api.Candidate{Endpoint: c.Endpoint, InUse: c.Present, RTT: c.RTT.Microseconds(), Silent: shown(c.Silent)})
	}
	return list
}
