package packet

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers, also the values of an IPv6 next header field (IANA "Assigned Internet Protocol Numbers").
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

const (
	ipv4MinLen = 20 // RFC 791, without options
	ipv6Len    = 40 // RFC 8200, without extension headers
	tcpMinLen  = 20 // RFC 9293, without options
	udpLen     = 8  // RFC 768
)

// Header is what the headers of one packet say.
type Header struct {
	Version  uint8      // 4 or 6
	Proto    uint8      // transport protocol; behind IPv6 extension headers
	TOS      uint8      // IPv4 type of service or IPv6 traffic class: DSCP<<2 | ECN
	TTL      uint8      // or hop limit
	Fragment bool       // part of a packet, or an atomic fragment: the transport header may be missing
	Src, Dst netip.Addr // never mapped
	L4       int        // offset of the transport header, at most Length
	Length   int        // of the whole packet, at most the bytes given
}

// Parse reads the IP header of b. Bytes behind the length that the header states are not part of the packet.
// It returns ErrShort, ErrVersion, ErrLength or ErrExtensions.
func Parse(b []byte) (Header, error) {
	l, err := parseLayout(b)
	return l.Header, err
}

// Addrs returns source and destination of b, without a look at anything but version and the minimum length.
func Addrs(b []byte) (src, dst netip.Addr, ok bool) {
	switch {
	case len(b) >= ipv4MinLen && b[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), true
	case len(b) >= ipv6Len && b[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), true
	}
	return netip.Addr{}, netip.Addr{}, false
}

// layout is a Header with what only segmentation asks for.
type layout struct {
	Header
	pinned bool // an extension header covers the payload or changes the pseudo header: segments would be wrong
}

func parseLayout(b []byte) (layout, error) {
	if len(b) == 0 {
		return layout{}, ErrShort
	}
	switch b[0] >> 4 {
	case 4:
		return parse4(b)
	case 6:
		return parse6(b)
	}
	return layout{}, ErrVersion
}

func parse4(b []byte) (layout, error) {
	if len(b) < ipv4MinLen {
		return layout{}, ErrShort
	}
	headerLen, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if headerLen < ipv4MinLen || total < headerLen || total > len(b) {
		return layout{}, ErrLength
	}
	return layout{Header: Header{
		Version:  4,
		Proto:    b[9],
		TOS:      b[1],
		TTL:      b[8],
		Fragment: binary.BigEndian.Uint16(b[6:])&0x3fff != 0, // more fragments, or an offset
		Src:      netip.AddrFrom4([4]byte(b[12:16])),
		Dst:      netip.AddrFrom4([4]byte(b[16:20])),
		L4:       headerLen,
		Length:   total,
	}}, nil
}

// parse6 refuses jumbograms (payload length 0): no TUN device carries them.
func parse6(b []byte) (layout, error) {
	if len(b) < ipv6Len {
		return layout{}, ErrShort
	}
	total := ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return layout{}, ErrLength
	}
	l := layout{Header: Header{
		Version: 6,
		Proto:   b[6],
		TOS:     b[0]<<4 | b[1]>>4,
		TTL:     b[7],
		Src:     netip.AddrFrom16([16]byte(b[8:24])),
		Dst:     netip.AddrFrom16([16]byte(b[24:40])),
		L4:      ipv6Len,
		Length:  total,
	}}
	return l, l.skipExtensions(b[:total])
}
