package router

import "encoding/binary"

// whole reports whether the lengths in the header of an inner packet fit its bytes. What a
// kernel trims off the end may follow the packet.
func whole(inner []byte) bool {
	switch {
	case len(inner) < 20:
		return false
	case inner[0]>>4 == 6:
		return len(inner) >= 40 && 40+int(binary.BigEndian.Uint16(inner[4:])) <= len(inner)
	case inner[0]>>4 != 4:
		return false
	}
	header, total := int(inner[0]&15)*4, int(binary.BigEndian.Uint16(inner[2:]))
	return header >= 20 && header <= total && total <= len(inner)
}
