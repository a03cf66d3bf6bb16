package firewall

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// usualDevice is the device whose table has the plain name.
const usualDevice = "weft0"

// ownTable is the table for a device: `weft`, and for any other device than weft0 `weft.DEVICE`, so that two daemons in one
// namespace have a table each.
func ownTable(device string) *nftables.Table {
	name := "weft"
	if device != usualDevice {
		name += "." + device
	}
	return &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
}

// The chains of our table.
const (
	chainPostrouting = "postrouting" // sorts packets
	chainEntering    = "entering"    // those that go into the device
	chainLeaving     = "leaving"     // those that go anywhere else
)

// priority of our base chain: right before those that masquerade for everybody at the usual place (100, srcnat), so that
// what leaves the overlay gets its port at random whoever else would masquerade it, too. The first chain that translates a
// connection decides.
const priority nftables.ChainPriority = 99

// ownChains are the chains of our table, in an order in which they can be made and led to.
func (s State) ownChains() []*nftables.Chain {
	t := ownTable(s.Device)
	hook, at, accept := *nftables.ChainHookPostrouting, priority, nftables.ChainPolicyAccept
	list := []*nftables.Chain{
		{Name: chainEntering, Table: t},
		{Name: chainLeaving, Table: t},
		{Name: chainPostrouting, Table: t, Type: nftables.ChainTypeNAT, Hooknum: &hook, Priority: &at, Policy: &accept},
	}
	if s.Clamp != ClampOff {
		list = append(list, forwardChain(t))
	}
	return list
}

// kubeMark is what kube-proxy puts on packets that it will masquerade itself (KUBE-MARK-MASQ; masqueradeBit 14).
const kubeMark = 0x4000

// multicast lists the destinations that no node owns.
var multicast = []netip.Prefix{
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("ff00::/8"),
}

// ownRules are the rules of our table. Those that translate see the first packet of a connection only; the kernel treats the
// rest alike.
func (s State) ownRules() []rule {
	list := append(append(s.sorting(), s.entering()...), s.leaving()...)
	if s.Clamp != ClampOff {
		list = append(list, clamping(s.Device))
	}
	return list
}

// sorting lets pass what is never rewritten, and hands the rest to one of the two other chains.
func (s State) sorting() []rule {
	pass := verdict(expr.VerdictReturn)
	list := []rule{
		{chainPostrouting, "kube-proxy masquerades it", all(marked(kubeMark), pass)},
		{chainPostrouting, "stays on this host", all(out("lo"), pass)},
	}
	for _, p := range multicast {
		list = append(list, rule{chainPostrouting, "not for one host", all(to(p), pass)})
	}
	return append(list,
		rule{chainPostrouting, "into the overlay", all(out(s.Device), goTo(chainEntering))},
		rule{chainPostrouting, "elsewhere", goTo(chainLeaving)},
	)
}

// entering gives our overlay address to everything that goes into the device and is not from the overlay: peers take no
// source from us that is not ours.
func (s State) entering() []rule {
	pass := verdict(expr.VerdictReturn)
	var list []rule
	for _, p := range s.Network {
		list = append(list, rule{chainEntering, "from the overlay", all(from(p), pass)})
	}
	for _, p := range s.Routes {
		list = append(list, rule{chainEntering, "from a network behind this node", all(from(p), pass)})
	}
	for _, p := range s.Network {
		list = append(list, rule{chainEntering, "from outside", all(family(p.Addr().Is4()), masquerade())})
	}
	return list
}

// leaving gives an address of this host to what leaves the overlay here from our own subnets. The networks behind this node
// are part of the overlay: their hosts see who calls, and have a route back. With an address of ours, answers that return
// through another gateway of such a network would belong to no connection, and a takeover would cut all of them.
func (s State) leaving() []rule {
	var list []rule
	for _, p := range s.Network {
		list = append(list, rule{chainLeaving, "stays in the overlay", all(to(p), verdict(expr.VerdictReturn))})
	}
	for _, p := range s.Routes {
		list = append(list, rule{chainLeaving, "into a network behind this node", all(to(p), verdict(expr.VerdictReturn))})
	}
	for _, p := range s.Own {
		list = append(list, rule{chainLeaving, "leaves the overlay", all(from(p), masquerade())})
	}
	return list
}

// opening are the rules that let pass what the overlay forwards, for the front of an obstacle. What one pod of this node sends to another
// passes the bridge alone, and so does what a service or a port of the node leads to a pod.
func (s State) opening(chain string) []rule {
	comment := openingComment(s.Device)
	var list []rule
	for _, name := range []string{s.Device, s.Bridge} {
		if name == "" {
			continue
		}
		list = append(list,
			rule{chain, comment, all(in(name), counter(), verdict(expr.VerdictAccept))},
			rule{chain, comment, all(out(name), counter(), verdict(expr.VerdictAccept))},
		)
	}
	return list
}

// openingComment is that of the rules at the front of an obstacle. It outlives our tag where somebody saves a ruleset as text
// and loads it again (nft list ruleset, iptables-save).
func openingComment(device string) string { return "weft: forwarded for " + device }
