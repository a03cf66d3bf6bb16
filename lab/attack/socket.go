package attack

import (
	"encoding/binary"
	"time"
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

// networkOrder is what packet(7) wants of a protocol.
func networkOrder(protocol uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], protocol)
	return binary.NativeEndian.Uint16(b[:])
}
