package tun

import (
	"encoding/binary"

	"github.com/weftnet/weft/packet"
)

// repair mends in an IPv6 packet what the library of driver batch gets wrong: segments of a superpacket with extension
// headers have a payload length without them, and a UDP checksum that comes out as zero is left so, which means "none" and
// is forbidden (RFC 8200 section 8.1). Right packets stay as they are, UDP tunnels without checksum (RFC 6935) included.
func repair(pkt []byte) {
	const headerLen, maxPayload = 40, 1<<16 - 1
	if len(pkt) < headerLen || pkt[0]>>4 != 6 || len(pkt)-headerLen > maxPayload {
		return
	}
	binary.BigEndian.PutUint16(pkt[4:], uint16(len(pkt)-headerLen))
	h, err := packet.Parse(pkt)
	if err != nil || h.Proto != packet.ProtoUDP || h.Fragment || h.Length-h.L4 < 8 {
		return
	}
	checksum := pkt[h.L4+6 : h.L4+8]
	if checksum[0]|checksum[1] != 0 {
		return
	}
	sum := packet.Sum(pkt[h.L4:], packet.PseudoSum(h.Src, h.Dst, packet.ProtoUDP, h.Length-h.L4))
	if packet.Fold(sum) == 0xffff {
		checksum[0], checksum[1] = 0xff, 0xff
	}
}
