package podnet

import (
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The registers that rules use, of 16 bytes each: what is looked up in a set of concatenations begins with the port's name, which fills
// the first.
const (
	register = 1
	behind   = 2
)

// interfaceName is IFNAMSIZ of linux/if.h: the name with the zero at its end.
const interfaceName = 16

// field is a part of a packet, as nftables finds it.
type field struct {
	base        expr.PayloadBase
	offset, len uint32
}

// The fields that rules look at (IEEE 802.3; RFC 826; RFC 791, section 3.1; RFC 8200, section 3; RFC 768; RFC 792; RFC 4861, section 4).
var (
	etherDestination    = field{expr.PayloadBaseLLHeader, 0, 6}
	etherGroup          = field{expr.PayloadBaseLLHeader, 0, 1} // whose lowest bit is set for a group of hosts
	etherSource         = field{expr.PayloadBaseLLHeader, 6, 6}
	etherType           = field{expr.PayloadBaseLLHeader, 12, 2}
	arpKind             = field{expr.PayloadBaseNetworkHeader, 0, 6} // types and lengths of the addresses
	arpSenderMAC        = field{expr.PayloadBaseNetworkHeader, 8, 6}
	arpSenderIP         = field{expr.PayloadBaseNetworkHeader, 14, 4}
	source4             = field{expr.PayloadBaseNetworkHeader, 12, 4}
	firstOfDestination4 = field{expr.PayloadBaseNetworkHeader, 16, 1}
	source6             = field{expr.PayloadBaseNetworkHeader, 8, 16}
	sourcePort          = field{expr.PayloadBaseTransportHeader, 0, 2}
	icmpType            = field{expr.PayloadBaseTransportHeader, 0, 1}
	ndTarget            = field{expr.PayloadBaseTransportHeader, 8, 16}
)

// all joins what a rule is made of: it applies if all of its parts match.
func all(parts ...[]expr.Any) []expr.Any { return slices.Concat(parts...) }

// load puts a field into a register.
func load(f field, to uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: to, Base: f.base, Offset: f.offset, Len: f.len}}
}

// is matches packets whose field has a value.
func is(f field, value ...byte) []expr.Any {
	return append(load(f, register), &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: value})
}

// isNot matches packets whose field has another value.
func isNot(f field, value ...byte) []expr.Any {
	return append(load(f, register), &expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: value})
}

// toOneHost matches frames that are not for a group of hosts (IEEE 802, the I/G bit).
func toOneHost() []expr.Any {
	return append(load(etherGroup, register),
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{1}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{0}})
}

// protocol matches packets of a transport protocol: meta l4proto.
func protocol(number byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{number}},
	}
}

// readable matches packets whose headers the kernel can follow to the transport protocol: only they have one.
func readable() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpLte, Register: register, Data: []byte{0xff}},
	}
}

// reachable matches packets of which the first byte behind all headers is there. Of fragments other than the first, which have none, some
// kernels say so, too.
func reachable() []expr.Any { return append(readable(), load(icmpType, register)...) }

// laterFragment matches fragments of IPv6 packets other than the first, whose offset the upper 13 bits tell (RFC 8200, section 4.5).
func laterFragment() []expr.Any {
	return append(readable(),
		&expr.Exthdr{DestRegister: register, Type: unix.IPPROTO_FRAGMENT, Offset: 2, Len: 2, Op: expr.ExthdrOpIpv6},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 2, Mask: []byte{0xff, 0xf8}, Xor: []byte{0, 0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: []byte{0, 0}})
}

// from matches UDP packets with a source port.
func from(port uint16) []expr.Any {
	return all(protocol(unix.IPPROTO_UDP), is(sourcePort, binary.BigEndian.AppendUint16(nil, port)...))
}

// port loads the name of the port that a frame came in by: meta iifname.
func port() []expr.Any { return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register}} }

// outPort loads the name of the port that a frame goes out by: meta oifname.
func outPort() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: register}}
}

// has matches what the registers hold, from the first on, if the set has it; lacks, if it does not.
func has(set string) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: register, SetName: set}}
}

func lacks(set string) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: register, SetName: set, Invert: true}}
}

func accept() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

// drop counts and drops.
func drop() []expr.Any { return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}} }

func goTo(chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}}
}

// padded fills data up with zeros: to the length of an interface's name, or to whole 32-bit words, as the kernel does in registers.
func padded(data []byte, size int) []byte {
	return append(slices.Clip(data), make([]byte, size-len(data))...)
}

// unspecified is ::, or 0.0.0.0.
func unspecified(f field) []byte { return make([]byte, f.len) }
