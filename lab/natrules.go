package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Where a rule finds things in the headers of IPv4 (RFC 791, section 3.1) and of UDP and TCP.
const (
	ipSource, ipDestination = 12, 16
	sourcePort              = 0
)

// Ports after Rebind: those that are not privileged and not ephemeral for Linux.
const (
	firstReboundPort = 10000
	reboundPorts     = 20000
)

// A rule uses register 1 to match and for addresses. A port is computed from two adjacent registers of four bytes.
const (
	register      = unix.NFT_REG_1
	hashAddress   = unix.NFT_REG32_04
	hashPort      = unix.NFT_REG32_05
	portOfMapping = unix.NFT_REG32_06
)

// destinationTranslated is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h.
const destinationTranslated = 1 << 5

// translate makes the rules of the NAT anew, in one transaction. The lab's lock is held.
//
// What comes from outside and was not asked for is dropped before connection tracking confirms it, also where it is for the
// router itself: an entry of a stranger's packet would else take the port from the mapping that is about to be made.
func (n *NAT) translate() error {
	nft, err := nftables.New(nftables.WithNetNSFd(int(n.handle)))
	if err != nil {
		return fmt.Errorf("lab: NAT %s: %w", n.name, err)
	}
	table := &nftables.Table{Name: "nat", Family: nftables.TableFamilyIPv4}
	nft.AddTable(table)
	nft.DelTable(table) // with all that was in it
	nft.AddTable(table)
	add := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, at *nftables.ChainPriority, rules [][]expr.Any) {
		chain := nft.AddChain(&nftables.Chain{Name: name, Table: table, Type: kind, Hooknum: hook, Priority: at})
		for _, r := range rules {
			nft.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: r})
		}
	}
	add("inward", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest, n.inward())
	add("outward", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource, n.outward())
	add("through", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter, unasked())
	add("own", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter, unasked())
	if err := nft.Flush(); err != nil {
		return fmt.Errorf("lab: NAT %s: %w", n.name, lacking("nft_nat", err))
	}
	return nil
}

// inward leads public addresses to the hosts that they belong to.
func (n *NAT) inward() (rules [][]expr.Any) {
	for i, h := range n.inner[:min(len(n.inner), len(n.publics))] {
		rule := join(addressed(ipDestination, n.publics[i]), n.give(expr.NATTypeDestNAT, h.addrs[0].Addr(), expr.NAT{}))
		if !n.options.Hairpin {
			rule = join(arrives(hostInterface), rule)
		}
		rules = append(rules, rule)
	}
	return rules
}

// outward gives what leaves a public source.
func (n *NAT) outward() [][]expr.Any {
	if n.options.Kind == NATOneToOne {
		return n.outwardOneToOne()
	}
	public := first(plainAddrs(n.addrs), netip.Addr.Is4)
	rest := n.give(expr.NATTypeSourceNAT, public, expr.NAT{FullyRandom: n.options.Kind == NATSymmetric})
	rules := [][]expr.Any{join(leaves(hostInterface), rest)}
	if n.seed > 0 && n.options.Kind == NATEndpointIndependent {
		rebound := n.give(expr.NATTypeSourceNAT, public, expr.NAT{RegProtoMin: portOfMapping, Specified: true})
		rules = append([][]expr.Any{join(leaves(hostInterface), protocol(unix.IPPROTO_UDP), n.reboundPort(), rebound)}, rules...)
	}
	return rules
}

// outwardOneToOne gives each host its public source; with hairpin also where a packet to a public address comes back in.
func (n *NAT) outwardOneToOne() (rules [][]expr.Any) {
	for i, h := range n.inner[:min(len(n.inner), len(n.publics))] {
		from := addressed(ipSource, h.addrs[0].Addr())
		public := n.give(expr.NATTypeSourceNAT, n.publics[i], expr.NAT{})
		rules = append(rules, join(from, leaves(hostInterface), public))
		if n.options.Hairpin {
			rules = append(rules, join(from, tracked(expr.CtKeySTATUS, destinationTranslated), public))
		}
	}
	return rules
}

// reboundPort computes the port of a mapping from address and port of the socket, and from how often the NAT was rebound: so it is
// the same for all destinations.
func (n *NAT) reboundPort() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: hashAddress, Base: expr.PayloadBaseNetworkHeader, Offset: ipSource, Len: 4},
		&expr.Payload{DestRegister: hashPort, Base: expr.PayloadBaseTransportHeader, Offset: sourcePort, Len: 2},
		&expr.Hash{
			SourceRegister: hashAddress, DestRegister: portOfMapping, Length: 4 + 2,
			Modulus: reboundPorts, Offset: firstReboundPort, Seed: n.seed, Type: expr.HashTypeJenkins,
		},
		&expr.Byteorder{SourceRegister: portOfMapping, DestRegister: portOfMapping, Op: expr.ByteorderHton, Len: 2, Size: 2},
	}
}

// unasked drops what comes from outside and belongs to no mapping. Echoes to the router itself pass, as with most of them.
func unasked() [][]expr.Any {
	const mapped = expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED
	accept := []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	return [][]expr.Any{
		join(protocol(unix.IPPROTO_ICMP), accept),
		join(tracked(expr.CtKeySTATE, mapped), accept),
		join(tracked(expr.CtKeySTATUS, destinationTranslated), accept),
		join(arrives(hostInterface), []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}),
	}
}

// forgetMappings empties the table of connections.
func (n *NAT) forgetMappings() error {
	return n.Do(func() error {
		handle, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
		if err != nil {
			return fmt.Errorf("lab: NAT %s: %w", n.name, err)
		}
		defer handle.Close()
		if err := handle.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
			return fmt.Errorf("lab: NAT %s: forget mappings: %w", n.name, lacking("nf_conntrack_netlink", err))
		}
		return nil
	})
}

// give translates source or destination to an address.
func (n *NAT) give(kind expr.NATType, addr netip.Addr, how expr.NAT) []expr.Any {
	how.Type, how.Family, how.RegAddrMin = kind, unix.NFPROTO_IPV4, register
	return []expr.Any{&expr.Immediate{Register: register, Data: addr.AsSlice()}, &how}
}

func join(parts ...[]expr.Any) []expr.Any { return slices.Concat(parts...) }

func equals(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data} }

// addressed matches an address at an offset of the IPv4 header.
func addressed(offset uint32, addr netip.Addr) []expr.Any {
	field := &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4}
	return []expr.Any{field, equals(addr.AsSlice())}
}

func protocol(number byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, equals([]byte{number})}
}

func arrives(device string) []expr.Any { return onDevice(expr.MetaKeyIIFNAME, device) }
func leaves(device string) []expr.Any  { return onDevice(expr.MetaKeyOIFNAME, device) }

func onDevice(key expr.MetaKey, device string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: register}, equals(append([]byte(device), 0))}
}

// tracked matches connections with one of the bits.
func tracked(key expr.CtKey, bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: register},
		&expr.Bitwise{
			SourceRegister: register, DestRegister: register, Len: 4,
			Mask: binary.NativeEndian.AppendUint32(nil, bits), Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)},
	}
}
