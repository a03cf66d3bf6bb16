package router

import "github.com/weftnet/weft/packet"

// ECN codepoints, RFC 3168.
const (
	ecnMask = 3
	ecnCE   = 3
)

// ecnOf is the ECN codepoint of an IP packet: it goes to the outer header (RFC 6040, normal mode). A packet that was
// marked already travels as it is: the outer header then says CE too.
func ecnOf(inner []byte) uint8 {
	if inner[0]>>4 == 4 {
		return inner[1] & ecnMask
	}
	return inner[1] >> 4 & ecnMask
}

// carryCE marks the inner packet CE, because the outer was. False: the inner packet is not ECN-capable and must be
// dropped instead (RFC 6040, section 4.2).
func carryCE(inner []byte) bool {
	switch ecnOf(inner) {
	case 0:
		return false
	case ecnCE:
		return true
	}
	if inner[0]>>4 == 6 {
		inner[1] |= ecnCE << 4
		return true
	}
	inner[1] |= ecnCE
	header := int(inner[0]&15) * 4
	inner[10], inner[11] = 0, 0
	sum := ^packet.Fold(packet.Sum(inner[:header], 0))
	inner[10], inner[11] = byte(sum>>8), byte(sum)
	return true
}
