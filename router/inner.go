package router

import "encoding/binary"

// whole reports whether the lengths in the header of an inner packet fit its bytes. It must begin as an IPv4 or IPv6
// header of full minimum length; what a kernel trims off the end may follow the packet.
func whole(inner []byte) bool {
	if inner[0]>>4 == 6 {
		return 40+int(binary.BigEndian.Uint16(inner[4:])) <= len(inner)
	}
	header, total := int(inner[0]&15)*4, int(binary.BigEndian.Uint16(inner[2:]))
	return header >= 20 && header <= total && total <= len(inner)
}
