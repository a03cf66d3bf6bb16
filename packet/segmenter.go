package packet

// Segmenter iterates over the segments of one TCP or UDP superpacket. It never changes or copies the payload: each segment
// is a header of its own and a slice of the superpacket. The zero value is ready for Reset; one goroutine uses it at a
// time.
//
// As the kernel does it: TCP sequence numbers advance, FIN and PSH are on the last segment only, CWR on the first only; the
// IPv4 identification grows by one for each segment.
type Segmenter struct {
	pkt       []byte // the superpacket, and nothing behind it
	size      int    // payload bytes of a segment
	count     int
	left      int   // segments that are still to come
	at        int   // offset of the next one's payload in pkt
	ending    uint8 // TCP flags of the last segment only
	unchecked bool  // UDP over IPv4 without a checksum: so are the segments
	header    segmentHeader
}

// Reset begins with the superpacket pkt, whose segments carry segSize payload bytes, the last one perhaps fewer. pkt is
// borrowed until the last Next. csumStart and csumOffset say where a partial checksum is; both 0: it is complete. They must
// agree with the headers. It returns an error of Parse, ErrSegment for what cannot be segmented (a fragment, another
// protocol, a payload that an extension header pins, headers beyond MaxHeader), or ErrChecksum.
func (s *Segmenter) Reset(pkt []byte, segSize, csumStart, csumOffset int) error {
	s.count, s.left = 0, 0
	l, err := parseLayout(pkt)
	if err != nil {
		return err
	}
	if err := l.findPayload(pkt, ErrSegment); err != nil {
		return err
	}
	partial := csumStart != 0 || csumOffset != 0
	switch {
	case segSize <= 0, l.payload > MaxHeader:
		return ErrSegment
	case partial && (csumStart != l.l4 || csumOffset != l.checksumAt-l.l4):
		return ErrChecksum
	}
	s.begin(pkt, &l)
	s.unchecked = !partial && s.header.ipv4 && !s.header.tcp && get16(pkt[l.checksumAt:]) == 0
	s.size, s.count = segSize, max(1, (l.length-l.payload+segSize-1)/segSize)
	s.left = s.count
	return nil
}

func (s *Segmenter) begin(pkt []byte, l *layout) {
	s.pkt, s.at, s.ending = pkt[:l.length], l.payload, 0
	s.header.begin(pkt, l)
	if s.header.tcp {
		flags := &s.header.bytes[l.l4+tcpFlagsAt]
		s.ending = *flags & (tcpFIN | tcpPSH)
		*flags &^= tcpFIN | tcpPSH
	}
}

// Count returns the number of segments of the superpacket, at least 1.
func (s *Segmenter) Count() int { return s.count }

// Length returns the length of the superpacket, without what may lie behind it.
func (s *Segmenter) Length() int { return len(s.pkt) }

// HeaderLen returns the length of every segment's header.
func (s *Segmenter) HeaderLen() int { return s.header.length }

// Unchecked reports whether this is UDP over IPv4 without a checksum. Its segments have none either, and nobody may be told
// that they have a partial one.
func (s *Segmenter) Unchecked() bool { return s.unchecked }

// Next writes the header of the next segment into hdr, which must hold MaxHeader bytes (HeaderLen is enough), and returns
// its length and the segment's payload, borrowed from the superpacket. ok is false behind the last segment. Checksums are
// complete.
func (s *Segmenter) Next(hdr []byte) (hdrLen int, payload []byte, ok bool) {
	hdrLen, payload, ok = s.NextPartial(hdr)
	if ok && !s.unchecked {
		s.complete(hdr[:hdrLen], payload)
	}
	return hdrLen, payload, ok
}

// complete turns the partial checksum of a segment into a complete one. A transport header's length is even, so that the
// payload starts at an even offset.
func (s *Segmenter) complete(hdr, payload []byte) {
	checksum := ^Fold(Sum(payload, Sum(hdr[s.header.l4:], 0)))
	if !s.header.tcp {
		checksum = mangle(checksum)
	}
	put16(hdr[s.header.checksumAt:], checksum)
}

// NextPartial is Next with partial checksums, as CompleteChecksum takes them. It does not read the payload.
func (s *Segmenter) NextPartial(hdr []byte) (hdrLen int, payload []byte, ok bool) {
	if s.left == 0 {
		return 0, nil, false
	}
	s.left--
	h := &s.header
	payload = s.pkt[s.at:min(s.at+s.size, len(s.pkt))]
	s.at += len(payload)
	hdr = hdr[:h.length]
	copy(hdr, h.bytes[:])
	h.put(hdr, len(payload))
	h.advance(len(payload))
	switch {
	case h.tcp:
		hdr[h.l4+tcpFlagsAt] |= s.ends()
		h.bytes[h.l4+tcpFlagsAt] &^= tcpCWR
	case s.unchecked:
		put16(hdr[h.checksumAt:], 0)
	}
	return h.length, payload, true
}

// ends returns the TCP flags that the last segment has and the others do not.
func (s *Segmenter) ends() uint8 {
	if s.left == 0 {
		return s.ending
	}
	return 0
}
