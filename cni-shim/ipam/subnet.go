package ipam

import (
	"encoding/binary"
	"math/big"
	"net/netip"
)

// MaxCapacity is what a count of addresses says where there are more: the greatest number that every reader of JSON takes as it is (RFC 8259, 6).
const MaxCapacity = 1<<53 - 1

// gateway is the pods' gateway of a subnet: its first address after that of the subnet itself, which the node has. A subnet of a single
// address is its own gateway.
func gateway(subnet netip.Prefix) netip.Addr {
	if subnet.IsSingleIP() {
		return subnet.Addr()
	}
	return subnet.Masked().Addr().Next()
}

// forPods are the addresses of a subnet that pods may have, and whether there are any: all but that of the subnet itself (in IPv6 the
// routers' anycast address, RFC 4291 2.6.1), the gateway, and in IPv4 the broadcast address. Of a subnet of two addresses, which has
// neither of the others (RFC 3021, RFC 6164), pods may have the one that is not the gateway.
func forPods(subnet netip.Prefix) (Range, bool) {
	first, final := subnet.Masked().Addr(), lastOf(subnet)
	switch subnet.Addr().BitLen() - subnet.Bits() {
	case 0:
		return Range{}, false
	case 1:
		return Range{first, first}, true
	}
	if final.Is4() {
		final = final.Prev()
	}
	return Range{gateway(subnet).Next(), final}, true
}

// lastOf is the last address of a subnet.
func lastOf(subnet netip.Prefix) netip.Addr {
	a := subnet.Addr().AsSlice()
	for bit := subnet.Bits(); bit < 8*len(a); bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(a)
	return last
}

// size is how many addresses a range has, MaxCapacity at most.
func (r Range) size() uint64 {
	n := new(big.Int).Sub(number(r.Last), number(r.First))
	if n.Add(n, big.NewInt(1)); n.Cmp(big.NewInt(MaxCapacity)) > 0 {
		return MaxCapacity
	}
	return n.Uint64()
}

// within is the part of r that lies in o, and whether there is any.
func (r Range) within(o Range) (Range, bool) {
	if r.First.Less(o.First) {
		r.First = o.First
	}
	if o.Last.Less(r.Last) {
		r.Last = o.Last
	}
	return r, r.First.Compare(r.Last) <= 0
}

func number(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// sameOffset is the address of the IPv6 subnet to that is as far from its begin as a is from that of its IPv4 subnet from. It may lie
// outside to, where that is the smaller one.
func sameOffset(a netip.Addr, from, to netip.Prefix) netip.Addr {
	a4, from4, bytes := a.As4(), from.Masked().Addr().As4(), to.Masked().Addr().As16()
	offset := uint64(binary.BigEndian.Uint32(a4[:]) - binary.BigEndian.Uint32(from4[:]))
	low := binary.BigEndian.Uint64(bytes[8:])
	if low+offset < low { // outside, or nowhere
		return netip.Addr{}
	}
	binary.BigEndian.PutUint64(bytes[8:], low+offset)
	return netip.AddrFrom16(bytes)
}
