package packettest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Verify reports what is wrong with the lengths and checksums of a packet: IPv4, TCP and UDP over both.
func Verify(pkt []byte) error {
	ip, proto, at, err := network(pkt)
	if err != nil {
		return err
	}
	seg := pkt[at:]
	switch proto {
	case protoTCP:
		if len(seg) < 20 || int(seg[12]>>4)*4 > len(seg) || seg[12]>>4 < 5 {
			return fmt.Errorf("packettest: TCP header of %d bytes in %d", int(seg[12]>>4)*4, len(seg))
		}
	case protoUDP:
		if len(seg) < 8 || int(binary.BigEndian.Uint16(seg[4:])) != len(seg) {
			return fmt.Errorf("packettest: UDP length disagrees with %d bytes", len(seg))
		}
		if binary.BigEndian.Uint16(seg[6:]) == 0 && ip.Src.Is4() {
			return nil
		}
	default:
		return nil
	}
	if got := ip.sum(proto, seg); got != 0xffff {
		return fmt.Errorf("packettest: checksum of protocol %d is off by %#04x", proto, ^got)
	}
	return nil
}

// Payload returns what a TCP or UDP packet carries. It panics on others.
func Payload(pkt []byte) []byte {
	_, proto, at, err := network(pkt)
	switch {
	case err != nil:
		panic(err)
	case proto == protoTCP:
		return pkt[at+int(pkt[at+12]>>4)*4:]
	case proto == protoUDP:
		return pkt[at+8:]
	}
	panic(fmt.Sprintf("packettest: no payload in protocol %d", proto))
}

// Transport returns the offset of the transport header of a valid packet.
func Transport(pkt []byte) int {
	_, _, at, err := network(pkt)
	if err != nil {
		panic(err)
	}
	return at
}

// Partial makes the complete checksum of a TCP or UDP packet partial, in place, and returns where it is.
func Partial(pkt []byte) (start, offset int) {
	ip, proto, at, err := network(pkt)
	if err != nil {
		panic(err)
	}
	offset = 16
	if proto == protoUDP {
		offset = 6
	}
	pseudo := append(ip.Src.AsSlice(), ip.Dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(pkt)-at))
	binary.BigEndian.PutUint16(pkt[at+offset:], sum(append(pseudo, 0, 0, 0, proto)))
	return at, offset
}

// network reads the IP header and, for IPv6, the hop-by-hop, routing, fragment and destination headers behind it.
func network(pkt []byte) (ip IP, proto uint8, at int, err error) {
	if len(pkt) < 20 {
		return ip, 0, 0, fmt.Errorf("packettest: %d bytes", len(pkt))
	}
	if pkt[0]>>4 == 4 {
		return network4(pkt)
	}
	if pkt[0]>>4 != 6 || len(pkt) < 40 || int(binary.BigEndian.Uint16(pkt[4:]))+40 != len(pkt) {
		return ip, 0, 0, fmt.Errorf("packettest: not IPv6, or its length disagrees with %d bytes", len(pkt))
	}
	ip.Src, _ = netip.AddrFromSlice(pkt[8:24])
	ip.Dst, _ = netip.AddrFromSlice(pkt[24:40])
	proto, at = pkt[6], 40
	for proto == 0 || proto == 43 || proto == 44 || proto == 60 {
		proto, at = pkt[at], at+8+8*int(pkt[at+1])
	}
	return ip, proto, at, nil
}

func network4(pkt []byte) (ip IP, proto uint8, at int, err error) {
	at = int(pkt[0]&15) * 4
	if int(binary.BigEndian.Uint16(pkt[2:])) != len(pkt) || at < 20 || at > len(pkt) {
		return ip, 0, 0, fmt.Errorf("packettest: IPv4 length disagrees with %d bytes", len(pkt))
	}
	if got := sum(pkt[:at]); got != 0xffff {
		return ip, 0, 0, fmt.Errorf("packettest: IPv4 header checksum is off by %#04x", ^got)
	}
	ip.Src, _ = netip.AddrFromSlice(pkt[12:16])
	ip.Dst, _ = netip.AddrFromSlice(pkt[16:20])
	return ip, pkt[9], at, nil
}
