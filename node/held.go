package node

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/trust"
)

// held is what one node holds. All lists are sorted.
type held struct {
	subnets []netip.Prefix // it owns them
	active  []netip.Prefix // networks behind it whose packets go to it
	standby []netip.Prefix // networks behind it whose packets go to another node
}

// holdings says of each node what it holds: an assignment and its gateways, by node.
func holdings(a mesh.Assignment, gateways map[netip.Prefix][]*mesh.Claim) map[trust.Fingerprint]held {
	all := make(map[trust.Fingerprint]held, len(a))
	for prefix, owner := range a {
		if gateways[prefix] == nil {
			h := all[owner]
			h.subnets = append(h.subnets, prefix)
			all[owner] = h
		}
	}
	for lan, group := range gateways {
		for _, c := range group {
			h := all[c.ID()]
			if a[lan] == c.ID() {
				h.active = append(h.active, lan)
			} else {
				h.standby = append(h.standby, lan)
			}
			all[c.ID()] = h
		}
	}
	for _, h := range all {
		for _, list := range [][]netip.Prefix{h.subnets, h.active, h.standby} {
			slices.SortFunc(list, netip.Prefix.Compare)
		}
	}
	return all
}

// carried are the prefixes whose packets go to the node, sorted.
func (h held) carried() []netip.Prefix { return merged(h.subnets, h.active) }

// lans are the networks behind the node, whether it is active there or standby, sorted.
func (h held) lans() []netip.Prefix { return merged(h.active, h.standby) }

func merged(a, b []netip.Prefix) []netip.Prefix {
	list := slices.Concat(a, b)
	slices.SortFunc(list, netip.Prefix.Compare)
	return list
}

// findForeign finds the networks behind other nodes that our packets reach through the overlay.
func (p *plan) findForeign() {
	for lan := range p.gateways {
		if !slices.Contains(p.kernel.LANs, lan) && p.reach[p.assignment[lan]] != mesh.Unreached {
			p.foreign.Insert(lan)
		}
	}
}

// outside leaves out endpoints in foreign networks: a call to a gateway of such a network would travel through another one.
func (p *plan) outside(at []netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(at, func(a netip.AddrPort) bool { return p.foreign.Contains(a.Addr()) })
}
