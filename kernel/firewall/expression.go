package firewall

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Matches and verdicts, as nft(8) would compile them. All of them use register 1.
const register = 1

// interfaceName is IFNAMSIZ of linux/if.h: the name with the zero at its end.
const interfaceName = 16

// Where the addresses lie in the header (RFC 791, section 3.1; RFC 8200, section 3).
const (
	source4, destination4 = 12, 16
	source6, destination6 = 8, 24
)

// all joins what a rule is made of: it applies if all of its parts match.
func all(parts ...[]expr.Any) []expr.Any { return slices.Concat(parts...) }

// from matches packets with a source in p: ip saddr p, ip6 saddr p.
func from(p netip.Prefix) []expr.Any {
	if p.Addr().Is4() {
		return address(p, source4)
	}
	return address(p, source6)
}

// to matches packets with a destination in p.
func to(p netip.Prefix) []expr.Any {
	if p.Addr().Is4() {
		return address(p, destination4)
	}
	return address(p, destination6)
}

func address(p netip.Prefix, offset uint32) []expr.Any {
	bits := p.Addr().BitLen()
	list := all(family(p.Addr().Is4()), []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(bits / 8)},
	})
	if !p.IsSingleIP() {
		list = append(list, &expr.Bitwise{
			SourceRegister: register, DestRegister: register, Len: uint32(bits / 8),
			Mask: net.CIDRMask(p.Bits(), bits), Xor: make([]byte, bits/8),
		})
	}
	return append(list, equals(p.Addr().AsSlice()))
}

// family matches packets of IPv4 or IPv6: meta nfproto.
func family(ipv4 bool) []expr.Any {
	protocol := byte(unix.NFPROTO_IPV6)
	if ipv4 {
		protocol = unix.NFPROTO_IPV4
	}
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}, equals([]byte{protocol})}
}

// out matches packets that go out by an interface: oifname.
func out(device string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: register}, equals(padded(device))}
}

// in matches packets that came in by an interface: iifname.
func in(device string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register}, equals(padded(device))}
}

func padded(device string) []byte {
	name := make([]byte, interfaceName)
	copy(name, device)
	return name
}

// marked matches packets with all bits of mark: meta mark & mark == mark.
func marked(mark uint32) []expr.Any {
	bits := binary.NativeEndian.AppendUint32(nil, mark)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: bits, Xor: make([]byte, 4)},
		equals(bits),
	}
}

func equals(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

// masquerade gives a packet the address of the interface that it leaves by, and a source port at random: two connections
// that start together on two CPUs else choose the same port, and one of them is lost.
func masquerade() []expr.Any { return []expr.Any{&expr.Masq{FullyRandom: true}} }

func counter() []expr.Any { return []expr.Any{&expr.Counter{}} }

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

func goTo(chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}}
}
