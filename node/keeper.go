package node

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// tidyPeriod is how often the keeper looks although nothing woke it: what somebody deleted by hand is back after that
// at the latest, even if the kernel's notification was lost.
const tidyPeriod = 4 * time.Second

// changed wakes the keeper. It never blocks.
func (n *Node) changed() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// onEvent hears of the router's changes, in its goroutines.
func (n *Node) onEvent(e router.Event) {
	switch e.Kind {
	case router.Refused:
		n.refused.add(e.Name, e.Reason)
	case router.PathUp:
		n.refused.forget(e.Name)
		n.mesh.Reached(e.Peer)
	}
	n.changed()
}

// keep makes router and kernel match what is known, whenever something changes, until ctx ends.
func (n *Node) keep(ctx context.Context) error {
	tick := time.NewTicker(tidyPeriod)
	defer tick.Stop()
	for {
		n.reconcile()
		n.service.keeperLooked()
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
		case <-tick.C:
			n.egresses.expire()
			n.tidy()
		}
	}
}

// tidy looks after what no notification tells of.
func (n *Node) tidy() {
	n.tidyStateDir()
	n.tidyRunDir()
	n.watchClock()
}

func (n *Node) reconcile() {
	if n.router.DeviceLost() {
		n.reopenDevice()
	}
	n.updateLocal()
	n.noteStateDir()
	view := n.mesh.View()
	peers, err := n.router.Peers()
	if err != nil {
		return // it stops
	}
	up := make(map[trust.Fingerprint]router.PeerStatus, len(peers))
	for _, p := range peers {
		if p.Up {
			up[p.ID] = p
		}
	}
	n.protected.learn(peers, view.Claims)
	n.noteRefusedTrains(peers)
	n.doubtTheDead(view, up)
	plan := n.plan(view, up)
	n.noteTakeovers(plan)
	if err := n.router.Set(plan.table); err != nil {
		return
	}
	n.applyKernel(plan.kernel)
	n.applyForwarding()
	n.applyFirewall(plan)
	n.state.publish(view, plan)
}

// doubtTheDead makes the router probe peers at once that gossip no longer reaches, although their path seems to work.
func (n *Node) doubtTheDead(view mesh.View, up map[trust.Fingerprint]router.PeerStatus) {
	for _, m := range view.Members {
		if _, ok := up[m.ID]; ok && !m.Alive && n.alive[m.ID] {
			n.router.Doubt(m.ID)
		}
		n.alive[m.ID] = m.Alive
	}
}

// plan is what router and kernel shall be.
type plan struct {
	assignment mesh.Assignment
	informed   bool // the assignment was made with the claims of others, not with ours alone
	conflicts  []mesh.Conflict
	table      router.Table
	kernel     kernel.State
	routes     map[netip.Prefix]kernel.Route  // of peers that are up
	gateways   map[netip.Prefix][]*mesh.Claim // of each network behind a node, best claim first
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
	p.informed = n.informed(view)
	var subnets, lans []netip.Prefix
	if view.Self != nil { // else claimed, but not ours yet
		subnets, lans = p.holdings(n.identity.Fingerprint())
	}
	p.table.Local = slices.Concat(subnets, lans)
	p.kernel = kernel.State{
		Device: n.config().Device, MTU: kernel.OverlayMTU(n.deviceMTU()), Network: n.config().Network,
		Own: subnets, LANs: lans, Addresses: overlayAddresses(subnets),
		KeepRoutes: time.Since(n.started) < adoption,
	}
	for _, m := range view.Members {
		if m.Claim == nil || m.ID == n.identity.Fingerprint() {
			continue
		}
		n.planPeer(p, m, up)
	}
	p.kernel.Routes = slices.SortedFunc(maps.Values(p.routes), func(a, b kernel.Route) int { return a.Prefix.Compare(b.Prefix) })
	return p
}

// incumbency is how long after the first exchange with a peer an assignment begins to count as one that stands: by then the
// claims of nodes that started together are known to all, and all have ranked them alike.
const incumbency = 3 * time.Second

// informed reports whether what is assigned now may be kept against better claims later.
func (n *Node) informed(view mesh.View) bool {
	if view.Heard && n.heardAt.IsZero() {
		n.heardAt = time.Now()
	}
	return view.Heard && time.Since(n.heardAt) >= incumbency
}

func (n *Node) planPeer(p *plan, m mesh.Member, up map[trust.Fingerprint]router.PeerStatus) {
	prefixes, standby := p.carries(m.ID)
	p.table.Peers = append(p.table.Peers, router.PeerConfig{
		Keys: m.Claim.Keys, Name: m.Name, Prefixes: prefixes, Standby: standby, Endpoints: p.outside(n.underlayOnly(endpointsOf(m))),
	})
	status, ok := up[m.ID]
	if !ok {
		return
	}
	p.reached++
	mtu := n.pathMTU(status.Endpoint.Addr(), m.Claim.UnderlayMTU)
	for _, prefix := range prefixes {
		if n.leads(prefix) { // by a way of this host's own
			continue
		}
		p.routes[prefix] = kernel.Route{Prefix: prefix, MTU: kernel.OverlayMTU(mtu), Source: sourceFor(prefix, p.kernel.Addresses)}
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

// pathMTU is the MTU of the overlay towards a peer, from the underlay's at both ends.
func (n *Node) pathMTU(to netip.Addr, theirs int) int {
	underlay := int(n.egress(to).MTU)
	if theirs >= leastUnderlayMTU {
		underlay = min(underlay, theirs)
	}
	cfg := n.config()
	mtu := underlay - encap.Overhead(cfg.Encryption, to.Is4())
	if cfg.MTU > 0 {
		mtu = min(mtu, cfg.MTU)
	}
	return min(max(mtu, leastPathMTU), maxMTU)
}

const (
	leastUnderlayMTU = 1280 // what a peer says that is less is not believed: IPv6 links have at least that
	leastPathMTU     = 576  // what every IPv4 host takes (RFC 791)
)

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

// applyKernel asks the kernel for the plan. What it refuses is said once, and tried again.
func (n *Node) applyKernel(want kernel.State) {
	changes, err := n.platform.Kernel.Set(want)
	switch {
	case errors.Is(err, kernel.ErrNoDevice):
		n.reopenDevice()
		return
	case err != nil:
		if n.state.problem("kernel", err.Error()) {
			n.log.Error("node.kernel.refused", "error", err)
		}
		return
	}
	n.state.problem("kernel", "")
	if changes.Any() {
		n.log.Info("node.kernel.changed", "changes", changes.String())
	}
}

// reopenDevice replaces a device that somebody deleted or that broke.
func (n *Node) reopenDevice() {
	device, choice, err := n.takeDevice()
	if err != nil {
		if n.state.problem("device", err.Error()) {
			n.log.Error("node.device.failed", "error", err)
		}
		return
	}
	if err := n.router.Attach(device); err != nil {
		device.Close()
		if !errors.Is(err, router.ErrStopped) && n.state.problem("device", err.Error()) {
			n.log.Error("node.device.failed", "error", err)
		}
		return
	}
	n.state.problem("device", "")
	n.keepDevice(device)
	n.noteHandover()
	n.tookDevice(device, choice)
	n.log.Warn("node.device.reopened", "device", device.Name())
	n.changed()
}
