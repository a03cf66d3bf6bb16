package node

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

// Routes lists every prefix of the overlay with its owner, and every network behind a node with all that lead there, as
// 'weft routes' shows it.
func (n *Node) Routes() ([]api.Route, error) {
	n.state.mu.Lock()
	defer n.state.mu.Unlock()
	list := []api.Route{}
	if n.state.plan == nil {
		return list, nil
	}
	names := map[trust.Fingerprint]string{n.identity.Fingerprint(): n.config().Name}
	for _, m := range n.state.view.Members {
		names[m.ID] = m.Name
	}
	t := routeTable{n.identity.Fingerprint(), n.config().Device, n.state.plan}
	for prefix, owner := range t.plan.assignment {
		for _, gateway := range t.plan.gateways[prefix] {
			list = append(list, t.gateway(prefix, gateway))
		}
		if t.plan.gateways[prefix] == nil {
			list = append(list, t.subnet(prefix, owner, names[owner]))
		}
	}
	for _, c := range t.plan.conflicts {
		list = append(list, api.Route{Prefix: c.Prefix, Owner: names[c.Loser], ID: c.Loser.String(), Kind: "conflict", State: "refused", Reason: c.String()})
	}
	slices.SortFunc(list, func(a, b api.Route) int {
		return cmp.Or(a.Prefix.Compare(b.Prefix), cmp.Compare(a.Role, b.Role), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// routeTable says what a plan makes of prefixes.
type routeTable struct {
	self   trust.Fingerprint
	device string
	plan   *plan
}

func (t routeTable) subnet(prefix netip.Prefix, owner trust.Fingerprint, name string) api.Route {
	r := api.Route{Prefix: prefix, Owner: name, ID: owner.String(), Type: "subnet"}
	t.fill(&r, owner)
	return r
}

// gateway is one node that leads to a network.
func (t routeTable) gateway(lan netip.Prefix, c *mesh.Claim) api.Route {
	r := api.Route{Prefix: lan, Owner: c.Name, ID: c.ID().String(), Type: "route", Role: api.RoleActive}
	if t.plan.assignment[lan] == c.ID() {
		t.fill(&r, c.ID())
		r.Reason = cmp.Or(r.Reason, t.plan.instead(lan))
		return r
	}
	r.Role, r.State, r.Reason, r.Kind = api.RoleStandby, "standby", t.plan.whyNot(lan, c.ID()), "peer"
	if c.ID() == t.self {
		r.Kind = "own"
	}
	return r
}

// fill says whether packets to the prefix of r go to its owner.
func (t routeTable) fill(r *api.Route, owner trust.Fingerprint) {
	r.Kind, r.State, r.Reason = "peer", "waiting", "the owner is not reached"
	route, routed := t.plan.routes[r.Prefix]
	switch {
	case owner == t.self:
		r.Kind, r.State, r.Reason = "own", "in force", ""
	case routed:
		r.State, r.Reason, r.Via, r.MTU = "in force", "", t.device, int(route.MTU)
	case t.plan.reach[owner] != mesh.Unreached:
		r.State, r.Reason = "standby", "this host has a way of its own"
	}
}

// behind says how this node stands to the networks behind it.
func (t routeTable) behind(lans []netip.Prefix) []api.Behind {
	list := []api.Behind{}
	for _, lan := range lans {
		b := api.Behind{Prefix: lan, Standby: []string{}}
		for _, c := range t.plan.gateways[lan] {
			b.Reached = b.Reached || c.ID() == t.self && !slices.Contains(c.Cut, lan)
			if t.plan.assignment[lan] == c.ID() {
				b.Active = c.Name
			} else {
				b.Standby = append(b.Standby, c.Name)
			}
		}
		if slices.Contains(t.plan.kernel.LANs, lan) {
			b.Role, b.Reason = api.RoleStandby, t.plan.whyNot(lan, t.self)
			if t.plan.assignment[lan] == t.self {
				b.Role, b.Reason = api.RoleActive, t.plan.instead(lan)
			}
		}
		list = append(list, b)
	}
	return list
}

// instead says in whose place the active node of a network is, or "".
func (p *plan) instead(lan netip.Prefix) string {
	if first := p.gateways[lan][0]; first.ID() != p.assignment[lan] {
		return fmt.Sprintf("in the place of %s: %s", first.Name, p.whyNot(lan, first.ID()))
	}
	return ""
}

// whyNot says why a node is not the active one of a network.
func (p *plan) whyNot(lan netip.Prefix, id trust.Fingerprint) string {
	group := p.gateways[lan]
	i := slices.IndexFunc(group, func(c *mesh.Claim) bool { return c.ID() == id })
	active := slices.IndexFunc(group, func(c *mesh.Claim) bool { return c.ID() == p.assignment[lan] })
	switch {
	case i < 0:
		return "it does not claim the network any more"
	case p.reach[id] == mesh.Unreached:
		return "it is not reached"
	case slices.Contains(group[i].Cut, lan):
		return "it does not reach the network itself"
	case active < i:
		return fmt.Sprintf("%s comes first", nameIn(group, p.assignment[lan]))
	}
	return fmt.Sprintf("it is reached again, and active after %v", steady)
}

// subnetsOf are those of prefixes that a member claims as its subnets.
func subnetsOf(m mesh.Member, prefixes []netip.Prefix) []netip.Prefix {
	if m.Claim == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(prefixes), func(p netip.Prefix) bool { return !slices.Contains(m.Claim.Subnets, p) })
}
