package podnet

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// usualBridge is the bridge whose table has the plain name.
const usualBridge = "weftbr0"

// guardTable is the table for a bridge: `weft`, and for any other bridge than weftbr0 `weft.BRIDGE`.
func guardTable(bridge string) *nftables.Table {
	name := "weft"
	if bridge != usualBridge {
		name += "." + bridge
	}
	return &nftables.Table{Name: name, Family: nftables.TableFamilyBridge}
}

// The sets of the table. Each element of the last three begins with the name of a port.
const (
	setPorts = "ports" // the host ends that are guarded
	setMACs  = "macs"  // port . MAC
	setIPv4  = "ipv4"  // port . address
	setIPv6  = "ipv6"  // port . address
)

// guardSets are the sets as they go into a table. Their numbers, by which a transaction knows sets that it makes, are given here: the
// library would count them in a variable of all goroutines.
func guardSets(t *nftables.Table) map[string]*nftables.Set {
	pair := func(id uint32, name string, with nftables.SetDatatype) *nftables.Set {
		return &nftables.Set{ID: id, Table: t, Name: name, Concatenation: true, KeyType: nftables.MustConcatSetType(nftables.TypeIFName, with)}
	}
	return map[string]*nftables.Set{
		setPorts: {ID: 1, Table: t, Name: setPorts, KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian}, // as nft(8) has names
		setMACs:  pair(2, setMACs, nftables.TypeEtherAddr),
		setIPv4:  pair(3, setIPv4, nftables.TypeIPAddr),
		setIPv6:  pair(4, setIPv6, nftables.TypeIP6Addr),
	}
}

// setNames are their names, in the order in which elements are added: a port is guarded once all that it may use is known.
var setNames = []string{setMACs, setIPv4, setIPv6, setPorts}

// The chains of the table.
const (
	chainPrerouting    = "prerouting"    // sorts frames that come in
	chainARP           = "arp"           // of our ports, from the pod's MAC
	chainIPv4          = "ipv4"          // likewise
	chainIPv6          = "ipv6"          // likewise
	chainIPv6Payload   = "ipv6_payload"  // with a source that the pod may use
	chainAdvertisement = "advertisement" // neighbour advertisements
	chainProbe         = "probe"         // neighbour solicitations without a source: duplicate detection
	chainOutput        = "output"        // frames of the host itself
)

// guardChains are the chains, in an order in which they can be made and led to. Ours come before those that translate addresses
// (NF_BR_PRI_NAT_DST_BRIDGED, -300, in linux/netfilter_bridge.h; br_netfilter, where iptables does, is at 0), so that what is compared is what
// the pod sent; what they send on does not come here again.
func guardChains(t *nftables.Table) []*nftables.Chain {
	accept := nftables.ChainPolicyAccept
	first := nftables.ChainPriority(-400)
	in, out := nftables.ChainHookPrerouting, nftables.ChainHookOutput
	return []*nftables.Chain{
		{Name: chainAdvertisement, Table: t}, {Name: chainProbe, Table: t}, {Name: chainIPv6Payload, Table: t}, {Name: chainIPv6, Table: t},
		{Name: chainIPv4, Table: t}, {Name: chainARP, Table: t},
		{Name: chainPrerouting, Table: t, Type: nftables.ChainTypeFilter, Hooknum: in, Priority: &first, Policy: &accept},
		{Name: chainOutput, Table: t, Type: nftables.ChainTypeFilter, Hooknum: out, Priority: &first, Policy: &accept},
	}
}

// What the guard drops, as the comments of its rules name it.
const (
	DropMAC           = "MAC is not the pod's"
	DropPastGateway   = "addressed to another MAC than the gateway's"
	DropProtocol      = "neither IP nor ARP"
	DropARP           = "ARP for an address that is not the pod's"
	DropIPv4          = "IPv4 source is not the pod's"
	DropIPv6          = "IPv6 source is not the pod's"
	DropNeighbour     = "neighbour advertisement for an address that is not the pod's"
	DropProbe         = "duplicate detection of an address that is not the pod's"
	DropRouter        = "router advertisement"
	DropRedirect      = "redirect"
	DropDHCP          = "answer of a DHCP server"
	DropLoopback      = "to the host's loopback addresses"
	DropUnreadable    = "headers that nobody can follow"
	DropOwnRedirect   = "redirect of the host"
	commentOther      = "not a port of a pod"
	commentProbe      = "ARP probe (RFC 5227)"
	commentPod        = "an address of the pod"
	commentNoAddress  = "before there is an address (MLD)"
	commentProbe6     = "duplicate detection (DAD)"
	commentAdvertised = "neighbour advertisement"
	commentFragment   = "fragment other than the first"
)

// Numbers of ICMP (RFC 792), ICMPv6 (RFC 4861) and DHCP (RFC 2131, RFC 8415).
const (
	redirect4     = 5
	router6       = 134
	solicitation6 = 135
	neighbour6    = 136
	redirect6     = 137
	dhcpServer    = 67
	dhcpv6Server  = 547
	loopback4     = 127                        // the first byte of 127.0.0.0/8 (RFC 1122, section 3.2.1.3)
	allocatedARP  = "\x00\x01\x08\x00\x06\x04" // Ethernet, IPv4, and the lengths of their addresses
	etherTypeARP  = "\x08\x06"
	etherTypeIPv4 = "\x08\x00"
	etherTypeIPv6 = "\x86\xdd"
)

// guardRule is a rule that is wanted.
type guardRule struct {
	chain   string
	comment string // for people, at most 127 bytes
	exprs   []expr.Any
}

// guardRules are all rules of the table, in the order of their chains. The frame of a VLAN has that protocol's type, so it is dropped.
// Frames to a group of hosts (ARP, neighbour discovery, mDNS) come to the host alone: ports do not flood them.
func guardRules() []guardRule {
	rules := []guardRule{
		{chainPrerouting, commentOther, all(port(), lacks(setPorts), accept())},
		{chainPrerouting, DropMAC, all(port(), load(etherSource, behind), lacks(setMACs), drop())},
		{chainPrerouting, DropPastGateway, all(toOneHost(), isNot(etherDestination, bridgeMAC...), drop())},
		{chainPrerouting, "ARP", all(is(etherType, []byte(etherTypeARP)...), goTo(chainARP))},
		{chainPrerouting, "IPv4", all(is(etherType, []byte(etherTypeIPv4)...), goTo(chainIPv4))},
		{chainPrerouting, "IPv6", all(is(etherType, []byte(etherTypeIPv6)...), goTo(chainIPv6))},
		{chainPrerouting, DropProtocol, drop()},
	}
	rules = append(rules, arpRules()...)
	rules = append(rules, ipv4Rules()...)
	rules = append(rules, ipv6Rules()...)
	rules = append(rules, ipv6PayloadRules()...)
	return append(rules, outputRules()...)
}

func arpRules() []guardRule {
	return []guardRule{
		{chainARP, DropARP, all([]expr.Any{
			&expr.Payload{DestRegister: register, Base: arpKind.base, Offset: arpKind.offset, Len: arpKind.len},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: []byte(allocatedARP)},
		}, drop())},
		{chainARP, DropARP, all(port(), load(arpSenderMAC, behind), lacks(setMACs), drop())},
		{chainARP, commentProbe, all(is(arpSenderIP, unspecified(arpSenderIP)...), accept())},
		{chainARP, commentPod, all(port(), load(arpSenderIP, behind), has(setIPv4), accept())},
		{chainARP, DropARP, drop()},
	}
}

// ipv4Rules judge IPv4. Where route_localnet is set for the bridge (portmap does it for hostPorts), the host would take packets to 127.0.0.0/8
// from a pod, and with them what listens there for the host alone; IPv6 takes those to ::1 from nobody.
func ipv4Rules() []guardRule {
	return []guardRule{
		{chainIPv4, DropIPv4, all(port(), load(source4, behind), lacks(setIPv4), drop())},
		{chainIPv4, DropLoopback, all(is(firstOfDestination4, loopback4), drop())},
		{chainIPv4, DropDHCP, all(from(dhcpServer), drop())},
		{chainIPv4, DropRedirect, all(protocol(unix.IPPROTO_ICMP), is(icmpType, redirect4), drop())},
		{chainIPv4, commentPod, all(readable(), accept())},
		{chainIPv4, DropUnreadable, drop()},
	}
}

// ipv6Rules judge the source of IPv6 packets. Of link-local addresses a pod has the one that follows from its MAC: each that it asks the host
// from would take a place among the neighbours of the host, of which there are few for all interfaces. Who asks without one for an address of
// the host is answered to all (RFC 4861, section 7.2.4), which every pod would get.
func ipv6Rules() []guardRule {
	return []guardRule{
		{chainIPv6, commentPod, all(port(), load(source6, behind), has(setIPv6), goTo(chainIPv6Payload))},
		{chainIPv6, commentProbe6, all(is(source6, unspecified(source6)...), protocol(unix.IPPROTO_ICMPV6), is(icmpType, solicitation6), goTo(chainProbe))},
		{chainIPv6, commentNoAddress, all(is(source6, unspecified(source6)...), protocol(unix.IPPROTO_ICMPV6), goTo(chainIPv6Payload))},
		{chainIPv6, DropIPv6, drop()},
	}
}

// ipv6PayloadRules judge what is behind the headers. A first fragment without anything behind them is dropped (RFC 7112): type or port would
// come in a later one, which nobody can judge.
func ipv6PayloadRules() []guardRule {
	icmp6 := func(kind byte) []expr.Any { return all(protocol(unix.IPPROTO_ICMPV6), is(icmpType, kind)) }
	return []guardRule{
		{chainIPv6Payload, DropRouter, all(icmp6(router6), drop())},
		{chainIPv6Payload, DropRedirect, all(icmp6(redirect6), drop())},
		{chainIPv6Payload, commentAdvertised, all(icmp6(neighbour6), goTo(chainAdvertisement))},
		{chainIPv6Payload, DropDHCP, all(from(dhcpv6Server), drop())},
		{chainIPv6Payload, commentPod, all(reachable(), accept())},
		{chainIPv6Payload, commentFragment, all(laterFragment(), accept())},
		{chainIPv6Payload, DropUnreadable, drop()},
		{chainAdvertisement, commentPod, all(port(), load(ndTarget, behind), has(setIPv6), accept())},
		{chainAdvertisement, DropNeighbour, drop()},
		{chainProbe, commentPod, all(port(), load(ndTarget, behind), has(setIPv6), accept())},
		{chainProbe, DropProbe, drop()},
	}
}

// outputRules keep the host's own redirects from pods: the kernel sends them for pods of one node whatever the bridge's send_redirects
// says, as long as conf.all says otherwise.
func outputRules() []guardRule {
	own := all(outPort(), has(setPorts))
	return []guardRule{
		{chainOutput, DropOwnRedirect, all(own, is(etherType, []byte(etherTypeIPv4)...), protocol(unix.IPPROTO_ICMP), is(icmpType, redirect4), drop())},
		{chainOutput, DropOwnRedirect, all(own, is(etherType, []byte(etherTypeIPv6)...), protocol(unix.IPPROTO_ICMPV6), is(icmpType, redirect6), drop())},
	}
}

// tagType is the type of our attribute in a rule's user data, as in package firewall; digestLen is enough to tell our rules apart.
const (
	tagType   userdata.Type = 0x77
	digestLen int           = 8
)

// tag is a digest of the rule: by it a rule of the kernel is known to be as wanted, however that writes its expressions back.
func (r guardRule) tag() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", r.chain, r.comment)
	for _, e := range r.exprs {
		data, err := expr.Marshal(unix.NFPROTO_BRIDGE, e)
		if err != nil {
			panic(fmt.Sprintf("podnet: write rule %q: %v", r.comment, err)) // the rules are constants, and tested
		}
		h.Write(data)
	}
	return string(h.Sum(nil)[:digestLen])
}

// nft is the rule as it goes into a chain.
func (r guardRule) nft(t *nftables.Table) *nftables.Rule {
	data := userdata.AppendString(nil, userdata.TypeComment, r.comment)
	return &nftables.Rule{
		Table: t, Chain: &nftables.Chain{Name: r.chain, Table: t}, Exprs: r.exprs, UserData: userdata.Append(data, tagType, []byte(r.tag())),
	}
}

// Member is what a pod may use at its port, besides the link-local address of its MAC.
type Member struct {
	HostEnd string
	MAC     net.HardwareAddr
	Addrs   []netip.Addr

	// Unsettled: ADD or DEL is at work, so Set leaves the port alone and takes the elements as they are, all of them, some or none.
	Unsettled bool
}

// Member is what the guard knows of a pod.
func (p Pod) Member() Member { return Member{HostEnd: p.HostEnd, MAC: p.MAC(), Addrs: p.Addrs} }

// keys are the elements of a member, by set.
func (m Member) keys() map[string][]string {
	port := string(padded([]byte(m.HostEnd), interfaceName))
	keys := map[string][]string{setPorts: {port}, setMACs: {port + string(padded(m.MAC, 8))}}
	for _, a := range m.Addrs {
		set := setIPv6
		if a.Is4() {
			set = setIPv4
		}
		keys[set] = append(keys[set], port+string(a.AsSlice()))
	}
	if len(m.MAC) == macLen {
		keys[setIPv6] = append(keys[setIPv6], port+string(linkLocal(m.MAC).AsSlice()))
	}
	return keys
}
