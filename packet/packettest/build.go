package packettest

import (
	"encoding/binary"
	"net/netip"
)

// TCP flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

const (
	protoTCP = 6
	protoUDP = 17
)

// IP is the network part of a packet. The addresses' family decides the version.
type IP struct {
	Src, Dst netip.Addr
	TOS, TTL uint8  // TTL 0 means 64
	ID       uint16 // IPv4
	NoDF     bool   // IPv4: without Don't Fragment
	Options  []byte // IPv4, a multiple of 4 bytes, at most 40

	// IPv6 extension headers, whole, each beginning with a next header byte, which Build sets.
	Extensions []Extension
}

// Extension is one IPv6 extension header.
type Extension struct {
	Proto uint8
	Bytes []byte
}

// TCP is a TCP packet.
type TCP struct {
	IP
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            uint8
	Window           uint16
	Options          []byte // a multiple of 4 bytes, at most 40
	Payload          []byte
}

// UDP is a UDP packet.
type UDP struct {
	IP
	SrcPort, DstPort uint16
	Unchecked        bool // checksum 0
	Payload          []byte
}

// Build returns the packet with complete checksums.
func (t TCP) Build() []byte {
	seg := make([]byte, 20, 20+len(t.Options)+len(t.Payload))
	binary.BigEndian.PutUint16(seg[0:], t.SrcPort)
	binary.BigEndian.PutUint16(seg[2:], t.DstPort)
	binary.BigEndian.PutUint32(seg[4:], t.Seq)
	binary.BigEndian.PutUint32(seg[8:], t.Ack)
	seg[12] = uint8(5+len(t.Options)/4) << 4
	seg[13] = t.Flags
	binary.BigEndian.PutUint16(seg[14:], t.Window)
	seg = append(append(seg, t.Options...), t.Payload...)
	binary.BigEndian.PutUint16(seg[16:], ^t.IP.sum(protoTCP, seg))
	return t.IP.Build(protoTCP, seg)
}

// Build returns the packet with complete checksums.
func (u UDP) Build() []byte {
	seg := make([]byte, 8, 8+len(u.Payload))
	binary.BigEndian.PutUint16(seg[0:], u.SrcPort)
	binary.BigEndian.PutUint16(seg[2:], u.DstPort)
	binary.BigEndian.PutUint16(seg[4:], uint16(8+len(u.Payload)))
	seg = append(seg, u.Payload...)
	if !u.Unchecked {
		sum := ^u.IP.sum(protoUDP, seg)
		if sum == 0 {
			sum = 0xffff
		}
		binary.BigEndian.PutUint16(seg[6:], sum)
	}
	return u.IP.Build(protoUDP, seg)
}

// Build returns the IP packet that carries body as proto.
func (ip IP) Build(proto uint8, body []byte) []byte {
	if ip.TTL == 0 {
		ip.TTL = 64
	}
	if ip.Src.Is4() {
		return ip.build4(proto, body)
	}
	return ip.build6(proto, body)
}

func (ip IP) build4(proto uint8, body []byte) []byte {
	b := make([]byte, 20, 20+len(ip.Options)+len(body))
	b[0] = 0x40 | uint8(5+len(ip.Options)/4)
	b[1] = ip.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(ip.Options)+len(body)))
	binary.BigEndian.PutUint16(b[4:], ip.ID)
	if !ip.NoDF {
		b[6] = 0x40
	}
	b[8], b[9] = ip.TTL, proto
	copy(b[12:], ip.Src.AsSlice())
	copy(b[16:], ip.Dst.AsSlice())
	b = append(b, ip.Options...)
	binary.BigEndian.PutUint16(b[10:], ^sum(b))
	return append(b, body...)
}

func (ip IP) build6(proto uint8, body []byte) []byte {
	var chain []byte
	next := proto
	for i := len(ip.Extensions) - 1; i >= 0; i-- {
		head := append([]byte(nil), ip.Extensions[i].Bytes...)
		head[0], next = next, ip.Extensions[i].Proto
		chain = append(head, chain...)
	}
	b := make([]byte, 40, 40+len(chain)+len(body))
	b[0], b[1] = 0x60|ip.TOS>>4, ip.TOS<<4
	binary.BigEndian.PutUint16(b[4:], uint16(len(chain)+len(body)))
	b[6], b[7] = next, ip.TTL
	copy(b[8:], ip.Src.AsSlice())
	copy(b[24:], ip.Dst.AsSlice())
	return append(append(b, chain...), body...)
}

// sum is the sum of the pseudo header and seg.
func (ip IP) sum(proto uint8, seg []byte) uint16 {
	pseudo := append(ip.Src.AsSlice(), ip.Dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(seg)))
	pseudo = append(pseudo, 0, 0, 0, proto)
	return sum(append(pseudo, seg...))
}

// sum is RFC 1071 as it is written there.
func sum(b []byte) uint16 {
	var total uint32
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		total += word
		total = total&0xffff + total>>16
	}
	return uint16(total)
}
