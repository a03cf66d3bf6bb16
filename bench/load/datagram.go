package load

import (
	"encoding/binary"
	"math"
)

// headLen is the beginning of a datagram: the first 8 bytes of the token and a sequence number from 0, big-endian.
const headLen = 8 + 8

// putHead begins a datagram of at least headLen bytes.
func putHead(b []byte, token Token, seq uint64) {
	copy(b, token[:8])
	binary.BigEndian.PutUint64(b[8:headLen], seq)
}

// parseHead is the sequence number of a datagram; not ok when it is too short, of another job, or the number is the one
// that has no next.
func parseHead(b []byte, token Token) (seq uint64, ok bool) {
	if len(b) < headLen || [8]byte(b) != [8]byte(token[:8]) {
		return 0, false
	}
	seq = binary.BigEndian.Uint64(b[8:headLen])
	return seq, seq != math.MaxUint64
}
