package load

import (
	"bytes"
	"encoding/binary"
	"sync"
)

// checkedLen is the beginning of a datagram whose bytes are all compared: head and its own length, 2 bytes big-endian.
const checkedLen = headLen + 2

const textLen = 1 << 16 // bytes in which a datagram's content may begin

// text is what the content of checked datagrams is taken from: bytes that do not compress.
var text = sync.OnceValue(func() []byte {
	b := make([]byte, textLen+maxDatagram)
	fill(b)
	return b
})

// content is what follows the beginning of a checked datagram: size bytes, others for each of 65536 sequence numbers in turn,
// so that a piece of one datagram in another one is seen.
func content(seq uint64, size int) []byte {
	const step = 4099 // prime: neighbours begin far apart
	at := int(seq * step % textLen)
	return text()[at : at+size]
}

// putChecked writes a datagram of len(b) bytes, at least checkedLen.
func putChecked(b []byte, token Token, seq uint64) {
	putHead(b, token, seq)
	binary.BigEndian.PutUint16(b[headLen:], uint16(len(b)))
	copy(b[checkedLen:], content(seq, len(b)-checkedLen))
}

// parseChecked is the sequence number of a datagram that is what putChecked wrote, byte for byte.
func parseChecked(b []byte, token Token) (seq uint64, intact bool) {
	seq, ok := parseHead(b, token)
	if !ok || len(b) < checkedLen || int(binary.BigEndian.Uint16(b[headLen:])) != len(b) {
		return 0, false
	}
	return seq, bytes.Equal(b[checkedLen:], content(seq, len(b)-checkedLen))
}
