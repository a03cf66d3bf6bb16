package packet

import "encoding/binary"

// MaxHeader is the longest IP and transport header that a Segmenter takes: 60 bytes of TCP behind 40 of IPv6 leave 156 for
// extension headers; IPv4 never needs more than 60 + 60.
const MaxHeader = 256

// TCP flags, byte 13 of the header (RFC 9293, RFC 3168).
const (
	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpCWR = 0x80
)

const (
	tcpFlagsAt    = 13
	tcpChecksumAt = 16
	udpChecksumAt = 6
)

// Segmenter iterates over the segments of one TCP or UDP superpacket. It never changes or copies the payload: each segment
// is a header of its own and a slice of the superpacket. The zero value is ready for Reset; one goroutine uses it at a
// time.
type Segmenter struct {
	ip        layout
	pkt       []byte
	size      int // payload bytes of a segment
	payload   int // offset of the payload in pkt
	count     int
	next      int    // index of the segment that Next returns
	base      uint32 // sum of the pseudo header without the length
	unchecked bool   // UDP over IPv4 without a checksum: so are the segments
}

// Reset begins with the superpacket pkt, whose segments carry segSize payload bytes, the last one perhaps fewer. pkt is
// borrowed until the last Next. csumStart and csumOffset say where a partial checksum is; both 0: it is complete. They must
// agree with the headers. It returns an error of Parse, ErrSegment for what cannot be segmented (a fragment, another
// protocol, a payload that an extension header pins, headers beyond MaxHeader), or ErrChecksum.
func (s *Segmenter) Reset(pkt []byte, segSize, csumStart, csumOffset int) error {
	*s = Segmenter{}
	l, err := parseLayout(pkt)
	if err != nil {
		return err
	}
	headerLen, fieldAt, err := l.transport(pkt[:l.Length])
	if err != nil {
		return err
	}
	partial := csumStart != 0 || csumOffset != 0
	if partial && (csumStart != l.L4 || csumOffset != fieldAt) {
		return ErrChecksum
	}
	if segSize <= 0 {
		return ErrSegment
	}
	*s = Segmenter{ip: l, pkt: pkt[:l.Length], size: segSize, payload: l.L4 + headerLen}
	s.count = max(1, (l.Length-s.payload+segSize-1)/segSize)
	s.base = pseudoBase(l.Src, l.Dst, l.Proto)
	s.unchecked = !partial && l.Version == 4 && l.Proto == ProtoUDP && binary.BigEndian.Uint16(pkt[l.L4+udpChecksumAt:]) == 0
	return nil
}

// transport returns the length of the transport header and the offset of the checksum in it.
func (l *layout) transport(pkt []byte) (headerLen, checksumAt int, err error) {
	b := pkt[l.L4:]
	switch {
	case l.Fragment, l.pinned:
		return 0, 0, ErrSegment
	case l.Proto == ProtoUDP:
		headerLen, checksumAt = udpLen, udpChecksumAt
	case l.Proto == ProtoTCP && len(b) >= tcpMinLen:
		headerLen, checksumAt = int(b[12]>>4)*4, tcpChecksumAt
	case l.Proto == ProtoTCP:
		return 0, 0, ErrShort
	default:
		return 0, 0, ErrSegment
	}
	switch {
	case l.Proto == ProtoTCP && headerLen < tcpMinLen:
		return 0, 0, ErrLength
	case headerLen > len(b):
		return 0, 0, ErrShort
	case l.L4+headerLen > MaxHeader:
		return 0, 0, ErrSegment
	}
	return headerLen, checksumAt, nil
}

// Count returns the number of segments of the superpacket, at least 1.
func (s *Segmenter) Count() int { return s.count }

// HeaderLen returns the length of every segment's header.
func (s *Segmenter) HeaderLen() int { return s.payload }

// Next writes the header of the next segment into hdr, which must hold MaxHeader bytes (HeaderLen is enough), and returns
// its length and the segment's payload, borrowed from the superpacket. ok is false behind the last segment.
//
// Checksums are complete. As the kernel does it: TCP sequence numbers advance, FIN and PSH are on the last segment only,
// CWR on the first only; the IPv4 identification grows by one for each segment.
func (s *Segmenter) Next(hdr []byte) (hdrLen int, payload []byte, ok bool) {
	if s.next >= s.count {
		return 0, nil, false
	}
	from := s.payload + s.next*s.size
	payload = s.pkt[from:min(from+s.size, s.ip.Length)]
	hdr = hdr[:s.payload]
	copy(hdr, s.pkt)
	s.setIP(hdr, len(payload))
	if s.ip.Proto == ProtoTCP {
		s.setTCP(hdr[s.ip.L4:], payload)
	} else {
		s.setUDP(hdr[s.ip.L4:], payload)
	}
	s.next++
	return s.payload, payload, true
}

func (s *Segmenter) setIP(hdr []byte, payloadLen int) {
	total := s.payload + payloadLen
	if s.ip.Version == 6 {
		put16(hdr[4:], uint16(total-ipv6Len))
		return
	}
	put16(hdr[2:], uint16(total))
	put16(hdr[4:], binary.BigEndian.Uint16(hdr[4:])+uint16(s.next))
	put16(hdr[10:], 0)
	put16(hdr[10:], ^Fold(Sum(hdr[:s.ip.L4], 0)))
}

func (s *Segmenter) setTCP(tcp, payload []byte) {
	seq := binary.BigEndian.Uint32(tcp[4:])
	binary.BigEndian.PutUint32(tcp[4:], seq+uint32(s.next*s.size))
	if s.next != 0 {
		tcp[tcpFlagsAt] &^= tcpCWR
	}
	if s.next != s.count-1 {
		tcp[tcpFlagsAt] &^= tcpFIN | tcpPSH
	}
	put16(tcp[tcpChecksumAt:], 0)
	put16(tcp[tcpChecksumAt:], s.checksum(tcp, payload))
}

func (s *Segmenter) setUDP(udp, payload []byte) {
	put16(udp[4:], uint16(udpLen+len(payload)))
	put16(udp[udpChecksumAt:], 0)
	if !s.unchecked {
		put16(udp[udpChecksumAt:], mangle(s.checksum(udp, payload)))
	}
}

// checksum is that of a segment whose checksum field is zero. A transport header's length is even, so that the payload
// starts at an even offset.
func (s *Segmenter) checksum(header, payload []byte) uint16 {
	sum := s.base + uint32(len(header)+len(payload))
	return ^Fold(Sum(payload, Sum(header, sum)))
}
