package packet

import "encoding/binary"

// MaxHeader is the longest IP and transport header of a segment: 60 bytes of TCP behind 40 of IPv6 leave 156 for extension
// headers; IPv4 never needs more than 60 + 60.
const MaxHeader = 256

// TCP flags, byte 13 of the header (RFC 9293, RFC 3168).
const (
	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpACK = 0x10
	tcpECE = 0x40
	tcpCWR = 0x80
)

const (
	tcpFlagsAt    = 13
	tcpChecksumAt = 16
	udpChecksumAt = 6
)

// segmentHeader is the header of one segment after the other, with a partial checksum. It is where Segmenter and Coalescer
// agree on what changes between segments: the Segmenter writes it, the Coalescer compares packets with it.
type segmentHeader struct {
	length     int // of IP and transport header
	l4         int
	checksumAt int    // offset in the packet
	pseudo     uint32 // sum of the pseudo header without the length
	ipSum      uint32 // IPv4: sum of the header without total length, identification and checksum
	seq        uint32 // TCP: of the segment
	id         uint16 // IPv4: of the segment
	step       uint16 // IPv4: from one identification to the next; 1, or 0 after noteFixedID
	ipv4, tcp  bool
	bytes      [MaxHeader]byte // of any segment; put sets what differs
}

// begin takes the header of pkt, a superpacket or a first segment.
func (h *segmentHeader) begin(pkt []byte, l *layout) {
	h.length, h.l4, h.checksumAt = l.payload, l.l4, l.checksumAt
	h.ipv4, h.tcp, h.step = l.version == 4, l.proto == ProtoTCP, 1
	h.pseudo = l.pseudoBase(pkt)
	copy(h.bytes[:h.length], pkt)
	h.rewind(pkt)
	if h.ipv4 {
		differing := uint32(get16(pkt[2:])) + uint32(get16(pkt[4:])) + uint32(get16(pkt[10:]))
		h.ipSum = uint32(Fold(Sum(pkt[:l.l4], uint32(^Fold(differing))))) // RFC 1624: to subtract is to add the complement
	}
}

// rewind goes to the segment whose header begins pkt.
func (h *segmentHeader) rewind(pkt []byte) {
	if h.ipv4 {
		h.id = get16(pkt[4:])
	}
	if h.tcp {
		h.seq = binary.BigEndian.Uint32(pkt[h.l4+4:])
	}
}

// advance goes to the next segment, past one of size payload bytes.
func (h *segmentHeader) advance(size int) {
	h.id += h.step
	h.seq += uint32(size)
}

// put writes into hdr what differs between segments, for one of size payload bytes; all but the TCP flags. hdr has h.length
// bytes.
func (h *segmentHeader) put(hdr []byte, size int) {
	h.putNumbers(hdr, size)
	total := h.length + size
	if h.ipv4 {
		put16(hdr[2:], uint16(total))
	} else {
		put16(hdr[4:], uint16(total-ipv6Len))
	}
	if !h.tcp {
		put16(hdr[h.l4+4:], uint16(total-h.l4))
	}
	put16(hdr[h.checksumAt:], Fold(h.pseudo+uint32(total-h.l4)))
}

// putNumbers is put for hdr that was put before, with the same size.
func (h *segmentHeader) putNumbers(hdr []byte, size int) {
	if h.ipv4 {
		put16(hdr[4:], h.id)
		put16(hdr[10:], ^Fold(h.ipSum+uint32(h.length+size)+uint32(h.id)))
	}
	if h.tcp {
		binary.BigEndian.PutUint32(hdr[h.l4+4:], h.seq)
	}
}

// noteFixedID makes all segments have the same identification, if pkt, which follows the first one, has that: unconnected UDP
// sockets of Linux send so. The field means nothing in a packet that may not be fragmented (RFC 6864); a Segmenter may give
// it another one.
func (h *segmentHeader) noteFixedID(pkt []byte) {
	const dontFragment = 0x40
	if !h.ipv4 || h.tcp || pkt[6] != dontFragment || get16(pkt[4:]) != h.id-1 || h.step == 0 {
		return
	}
	h.id, h.step = h.id-1, 0
}

// verifies reports whether the complete checksum of pkt is right. One that is absent (UDP, zero) is not.
func (h *segmentHeader) verifies(pkt []byte) bool {
	if !h.tcp && get16(pkt[h.checksumAt:]) == 0 {
		return false
	}
	b := pkt[h.l4:]
	return Fold(Sum(b, h.pseudo+uint32(len(b)))) == 0xffff
}
