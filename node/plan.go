package node

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// plan is what router and kernel shall be.
type plan struct {
	assignment mesh.Assignment
	informed   bool // the assignment was made with the claims of others, not with ours alone
	conflicts  []mesh.Conflict
	table      router.Table
	kernel     kernel.State
	routes     map[netip.Prefix]kernel.Route  // of peers that are up
	gateways   map[netip.Prefix][]*mesh.Claim // of each network behind a node, best claim first
	held       map[trust.Fingerprint]held     // by whom; who holds nothing is not in it
	foreign    bart.Lite                      // networks behind other nodes that are led into the overlay here
	reach      map[trust.Fingerprint]mesh.Reach
	reached    int // peers that are up
}

// adoption is how long after the start the routes that an earlier run left stay although their peers are not reached yet:
// most are within that time, and their packets are better dropped for a moment than refused.
const adoption = 3 * time.Second

// plan turns the mesh's view and the paths that work into the desired state.
func (n *Node) plan(view mesh.View, up map[trust.Fingerprint]router.PeerStatus) *plan {
	p := &plan{routes: map[netip.Prefix]kernel.Route{}, reach: n.reach(up, time.Now())}
	p.assignment, p.conflicts = view.Assign(n.state.assignment(), func(id trust.Fingerprint) mesh.Reach { return p.reach[id] })
	p.gateways = view.Gateways(p.assignment, p.conflicts)
	p.held = holdings(p.assignment, p.gateways)
	p.informed = view.Established
	var own held
	if view.Self != nil { // else claimed, but not ours yet
		own = p.held[n.identity.Fingerprint()]
	}
	meant, former := n.subnetsOfPods(own.subnets) // the host's own packets have an address of the first
	own.subnets = slices.Concat(meant, former)
	p.table.Local = slices.Concat(own.subnets, own.lans())
	p.kernel = kernel.State{
		Device: n.config().Device, MTU: kernel.OverlayMTU(n.deviceMTU()), Network: n.config().Network,
		Own: own.subnets, LANs: own.lans(), Addresses: overlayAddresses(own.subnets),
		KeepRoutes: time.Since(n.started) < adoption,
	}
	p.findForeign()
	for _, m := range view.Members {
		if m.Claim == nil || m.ID == n.identity.Fingerprint() {
			continue
		}
		n.planPeer(p, m, view.Members, up)
	}
	p.kernel.Routes = slices.SortedFunc(maps.Values(p.routes), func(a, b kernel.Route) int { return a.Prefix.Compare(b.Prefix) })
	p.kernel.Routes = append(p.kernel.Routes, n.pastBridge(p)...)
	return p
}

// noteOwners has the mesh keep who owns what, for the next start.
func (n *Node) noteOwners(next *plan) {
	if next.informed && !maps.Equal(n.state.assignment(), next.assignment) {
		n.mesh.SetOwners(next.assignment)
	}
}

func (n *Node) planPeer(p *plan, m mesh.Member, members []mesh.Member, up map[trust.Fingerprint]router.PeerStatus) {
	holds := p.held[m.ID]
	prefixes := holds.carried()
	endpoints := p.outside(n.underlayOnly(endpointsOf(m)))
	status, ok := up[m.ID]
	p.table.Peers = append(p.table.Peers, router.PeerConfig{
		Keys: m.Claim.Keys, Name: m.Name, Prefixes: prefixes, Standby: holds.standby, Endpoints: endpoints,
		Capabilities: m.Claim.Capabilities, LinkMTU: n.linkMTU(reachedAt(&status, endpoints), &status, m.Claim, members),
	})
	if !ok {
		return
	}
	p.reached++
	mtu := n.pathMTU(&status, m.Claim, members)
	for _, prefix := range prefixes {
		if n.leads(prefix) { // by a way of this host's own
			continue
		}
		p.routes[prefix] = kernel.Route{Prefix: prefix, MTU: routeMTU(prefix, mtu), Source: sourceFor(prefix, p.kernel.Addresses)}
	}
}

// endpointsOf lists where a member may be reached: what it claims, then where others have seen it.
func endpointsOf(m mesh.Member) []netip.AddrPort {
	list := slices.Clone(m.Claim.Endpoints)
	for _, seen := range m.Observed {
		if !slices.Contains(list, seen) {
			list = append(list, seen)
		}
	}
	return list
}

// overlayAddresses are the node's own addresses: the first host address of each subnet.
func overlayAddresses(subnets []netip.Prefix) []netip.Addr {
	addrs := make([]netip.Addr, 0, len(subnets))
	for _, p := range subnets {
		a := p.Addr()
		if !p.IsSingleIP() {
			a = a.Next()
		}
		addrs = append(addrs, a)
	}
	return addrs
}

// sourceFor is the address that packets of this host to prefix carry: our first of that family; invalid: none.
func sourceFor(prefix netip.Prefix, own []netip.Addr) netip.Addr {
	i := slices.IndexFunc(own, func(a netip.Addr) bool { return a.Is4() == prefix.Addr().Is4() })
	if i < 0 {
		return netip.Addr{}
	}
	return own[i]
}
