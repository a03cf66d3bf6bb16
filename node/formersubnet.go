package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/pods"
)

// A node whose subnet was changed goes on to claim the former one while pods live there, so that they keep their addresses and peers
// reach them, unless another node claims any of it: then that one is given way.

// formerSubnets are those that the node claims on. The list is shared: nobody changes it.
func (n *Node) formerSubnets() []netip.Prefix {
	if list := n.former.Load(); list != nil {
		return *list
	}
	return nil
}

// namedSubnets are those that the node is told to have; none: it finds its own (auto).
func (n *Node) namedSubnets() []netip.Prefix { return n.config().Subnet.Prefixes }

// recallFormer finds, before the first claim, the former subnets in which pods of an earlier run live.
func (n *Node) recallFormer() { n.claimFormer(n.formerWith(n.config())) }

// formerWith are the subnets that a node with cfg claims on for the pods that live there now.
func (n *Node) formerWith(cfg *config.Config) []netip.Prefix {
	list, err := n.inhabited(cfg)
	if err != nil {
		n.log.Warn("node.subnet.unknown", "error", err)
	}
	return n.claimable(cfg, list, nil)
}

// inhabited are the subnets in which pods live and that a node with cfg is not meant to have. One with auto takes up what it had.
func (n *Node) inhabited(cfg *config.Config) ([]netip.Prefix, error) {
	if n.pods == nil || cfg.Subnet.Auto {
		return nil, nil
	}
	return n.pods.Former(cfg.Subnet.Prefixes)
}

// checkGivenUp refuses what would take a subnet from under those who live in it. Pods lose none that the node claims on.
func (n *Node) checkGivenUp(want *config.Config) error {
	living, err := n.inhabited(want)
	lost := n.givenUp(want, n.claimable(want, living, nil))
	refused := func(reason string) error {
		return want.Placed(config.KeyErrorf("subnet", "%s in %s, which would be given up: move it first, or put the key back", reason, config.Joined(lost)))
	}
	except := []string{n.config().Device} // the present one also where another is wanted: that one comes with the restart
	if err == nil && !want.Subnet.Auto {
		except = append(except, n.podBridge()) // it has the gateways of subnets without pods, too
	}
	switch {
	case len(lost) == 0:
		return nil
	case slices.ContainsFunc(living, func(p netip.Prefix) bool { return slices.Contains(lost, p) }):
		return refused("a pod has an address")
	case n.platform.Kernel.InUse(lost, except...):
		return refused("an interface of this host has an address")
	}
	return nil
}

// givenUp are the subnets of ours that would not surely be ours any more with want, though the node claims those of former on.
func (n *Node) givenUp(want *config.Config, former []netip.Prefix) []netip.Prefix {
	n.state.mu.Lock()
	current := n.state.plan
	n.state.mu.Unlock()
	now := n.config()
	if current == nil || want.Subnet.Auto && now.Subnet.Auto && want.SubnetSize == now.SubnetSize {
		return nil
	}
	kept := slices.Concat(want.Subnet.Prefixes, former)
	return slices.DeleteFunc(slices.Clone(current.kernel.Own), func(p netip.Prefix) bool { return slices.Contains(kept, p) })
}

// claimable are those of former subnets that a node with cfg may claim on: in the network, no part of what it is meant to have, and no
// other's.
func (n *Node) claimable(cfg *config.Config, list, others []netip.Prefix) []netip.Prefix {
	if cfg.Subnet.Auto {
		return nil
	}
	overlaps := func(p netip.Prefix, with []netip.Prefix) bool { return slices.ContainsFunc(with, p.Overlaps) }
	return slices.DeleteFunc(slices.Clone(list), func(p netip.Prefix) bool {
		inside := slices.ContainsFunc(cfg.Network, func(w netip.Prefix) bool { return w.Bits() <= p.Bits() && w.Contains(p.Addr()) })
		if own := n.admission.Own(); own != nil && !own.AllowsSubnet(p) {
			return true
		}
		return !inside || overlaps(p, cfg.Subnet.Prefixes) || overlaps(p, cfg.Routes) || overlaps(p, others)
	})
}

// claimFormer makes list what the node claims besides its own; it returns whether that is another list than before.
func (n *Node) claimFormer(list []netip.Prefix) bool {
	if slices.Equal(list, n.formerSubnets()) {
		return false
	}
	n.former.Store(&list)
	return true
}

// reviewFormer brings the claim to what is so now: the former subnets in which pods live, less those that another node claims.
func (n *Node) reviewFormer(view mesh.View) {
	n.claiming.Lock() // before the look: one at what a reload has replaced meanwhile would take the subnet from pods
	defer n.claiming.Unlock()
	var others []netip.Prefix
	report := n.pods.Report()
	living := report.FormerSubnets()
	if len(living)+len(n.formerSubnets()) == 0 {
		return
	}
	if !report.Looked || n.ofOtherSubnets(&report) {
		living = n.formerSubnets() // those of the start, or of the change
	}
	for _, m := range view.Members {
		if m.Claim != nil && m.ID != n.identity.Fingerprint() {
			others = append(others, m.Claim.Subnets...)
		}
	}
	if !n.claimFormer(n.claimable(n.config(), living, others)) {
		return
	}
	if err := n.mesh.Set(n.meshSettings(n.config(), n.formerSubnets())); err != nil {
		n.log.Warn("node.subnet.unclaimable", "subnets", config.Joined(n.formerSubnets()), "error", err)
	}
}

// ofOtherSubnets reports whether a report is of a time when the node was meant to have other subnets: it does not know yet which are former
// ones now.
func (n *Node) ofOtherSubnets(r *pods.Report) bool {
	meant := n.config().Subnet.Prefixes
	return slices.ContainsFunc(r.Usage, func(u ipam.Usage) bool { return !slices.Contains(meant, u.Subnet) })
}

// pastBridge are routes to what other nodes have by now of former subnets. The bridge has a route to each of these, which comes before that
// of a peer to the same or more; routes to both halves come before the bridge's, and those of the pods themselves before all.
func (n *Node) pastBridge(p *plan) (list []kernel.Route) {
	if n.pods == nil {
		return nil
	}
	report := n.pods.Report()
	for _, f := range report.Routed {
		r, led := p.leading(f)
		if !led || f.Bits() >= f.Addr().BitLen()-1 || slices.ContainsFunc(p.kernel.Own, f.Overlaps) {
			continue
		}
		for _, half := range halves(f) {
			if _, led := p.routes[half]; !led {
				r.Prefix = half
				list = append(list, r)
			}
		}
	}
	return list
}

// leading is the route of the overlay to a subnet: the longest prefix that holds all of it.
func (p *plan) leading(subnet netip.Prefix) (longest kernel.Route, ok bool) {
	for _, r := range p.routes {
		holds := r.Prefix.Bits() <= subnet.Bits() && r.Prefix.Contains(subnet.Addr())
		if inside := slices.ContainsFunc(p.kernel.Network, func(w netip.Prefix) bool { return w.Overlaps(r.Prefix) && w.Bits() <= r.Prefix.Bits() }); !holds || !inside {
			continue
		}
		if !ok || r.Prefix.Bits() > longest.Prefix.Bits() {
			longest, ok = r, true
		}
	}
	return longest, ok
}

// halves are the two prefixes, one bit longer, that a prefix is made of.
func halves(p netip.Prefix) [2]netip.Prefix {
	raw, bits := p.Addr().AsSlice(), p.Bits()
	raw[bits/8] |= 0x80 >> (bits % 8)
	upper, _ := netip.AddrFromSlice(raw)
	return [2]netip.Prefix{netip.PrefixFrom(p.Addr(), bits+1), netip.PrefixFrom(upper, bits+1)}
}

// noteFormer says, as long as it lasts, that pods live in subnets that are not the node's any more, and logs it once.
func (n *Node) noteFormer() {
	claimed := n.formerSubnets()
	report := n.pods.Report()
	var meant, reasons []string
	for _, u := range report.Usage {
		meant = append(meant, u.Subnet.String())
	}
	for _, f := range report.Former {
		text := fmt.Sprintf("%s has %s still, and new pods get addresses of %s: ", f.Subnet, countedPods(f.Pods), strings.Join(meant, " and "))
		if slices.Contains(claimed, f.Subnet) || slices.ContainsFunc(n.namedSubnets(), f.Subnet.Overlaps) {
			text += "it is claimed until they have ended"
		} else {
			text += "it may not be claimed (another node has it, or it is not in the network), so peers do not reach them: make them anew"
		}
		reasons = append(reasons, text)
	}
	reason := strings.Join(reasons, "; ")
	n.state.problem("former_subnet", reason)
	said := config.Joined(report.FormerSubnets()) + "; " + config.Joined(claimed)
	if said != n.formerSaid && reason != "" { // not each time that one of the pods ends
		n.log.Warn("node.subnet.former", "reason", reason)
	}
	n.formerSaid = said
}

func countedPods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}
