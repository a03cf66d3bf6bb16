package packet

import "net/netip"

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
	if err != nil {
		return Header{}, err
	}
	h := Header{Version: l.version, Proto: l.proto, Fragment: l.fragment, L4: l.l4, Length: l.length}
	h.Src, h.Dst, _ = Addrs(b)
	if l.version == 4 {
		h.TOS, h.TTL = b[1], b[8]
	} else {
		h.TOS, h.TTL = b[0]<<4|b[1]>>4, b[7]
	}
	return h, nil
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
