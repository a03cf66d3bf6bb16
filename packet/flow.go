package packet

import "encoding/binary"

// flow tells flows apart well enough to keep the order within each: packets of one flow have equal numbers, those of
// different flows rarely. No number is 0.
type flow struct {
	pair  uint32 // of the addresses
	ports uint32 // of addresses, protocol and ports
}

// flowOf reads a TCP or UDP packet with layout l.
func flowOf(b []byte, l *layout) flow {
	pair := pairHash(b, l)
	ports := uint64(binary.LittleEndian.Uint32(b[l.l4:]))<<8 | uint64(l.proto)
	return flow{pair: uint32(pair) | 1, ports: uint32(mix(pair, ports)) | 1}
}

// pairOf is the pair of a packet without ports; 0 if it could not even be parsed so far.
func pairOf(b []byte, l *layout) uint32 {
	if l.version == 0 {
		return 0
	}
	return uint32(pairHash(b, l)) | 1
}

func pairHash(b []byte, l *layout) uint64 {
	if l.version == 4 {
		return mix(0, binary.LittleEndian.Uint64(b[12:]))
	}
	h := mix(0, binary.LittleEndian.Uint64(b[8:]))
	h = mix(h, binary.LittleEndian.Uint64(b[16:]))
	h = mix(h, binary.LittleEndian.Uint64(b[24:]))
	return mix(h, binary.LittleEndian.Uint64(b[32:]))
}

// mix is one step of a multiplicative hash; the factor is 2^64 divided by the golden ratio (Knuth, volume 3, section 6.4).
func mix(h, word uint64) uint64 {
	h = (h ^ word) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}
