package packet

// maxRun bounds the segments of a run, because each is a piece of one vectored write: IOV_MAX is 1024 (limits.h), and the
// headers need some. It also keeps the number far below the 16 bits of the kernel's gso_segs.
const maxRun = 1000

// maxDatagrams bounds the segments of a run of UDP: UDP_MAX_SEGMENTS up to Linux 6.8. A kernel refuses a longer superpacket.
const maxDatagrams = 64

// maxPacket is what an IPv4 length field can say. IPv6 could say 40 bytes more, which no TUN device takes.
const maxPacket = 1<<16 - 1

// run is segments of one flow that continue each other: a superpacket that may still grow. The zero value is over.
type run struct {
	header   segmentHeader // its bytes are those of the next segment, if that is a full one with a partial checksum
	wire     int           // length of such a packet; 0: the run is over
	left     int           // how many of them may still come
	most     int           // segments of the run
	size     int           // payload bytes of a full segment
	segments int
	payload  int   // bytes of all segments
	ending   uint8 // TCP flags that only the last segment has
	out      int   // index of the superpacket
}

// mayBegin reports whether a TCP or UDP packet with these headers may be a first segment.
func mayBegin(pkt []byte, l *layout) bool {
	if l.payload > MaxHeader || l.payload == len(pkt) {
		return false
	}
	return l.proto == ProtoUDP || pkt[l.l4+tcpFlagsAt]&^(tcpECE|tcpCWR) == tcpACK
}

// begin starts the run, which is over, with pkt, for which mayBegin holds: if its header is just what a Segmenter would
// write, and a complete checksum is right.
func (r *run) begin(pkt []byte, l *layout, partial bool) bool {
	r.header.begin(pkt, l)
	r.size = len(pkt) - l.payload
	if !r.matches(pkt, r.size, partial) {
		return false
	}
	if r.header.tcp {
		r.header.bytes[l.l4+tcpFlagsAt] &^= tcpCWR
	}
	r.most = maxRun
	if !r.header.tcp {
		r.most = maxDatagrams
	}
	r.wire, r.left = len(pkt), min(r.most, (maxPacket-r.header.length)/r.size)
	r.segments, r.payload, r.ending = 0, 0, 0
	r.header.put(r.header.bytes[:r.header.length], r.size) // the checksum was perhaps a complete one
	r.grow()
	return true
}

// isNext reports whether pkt, with a partial checksum, is the next full segment. That needs no parsing: a packet as long as
// expected, whose header is the expected one, is valid.
func (r *run) isNext(pkt []byte) bool {
	n := r.header.length
	return r.left > 0 && len(pkt) == r.wire && string(pkt[:n]) == string(r.header.bytes[:n])
}

// grow goes past the packet for which isNext holds.
func (r *run) grow() {
	r.left--
	r.segments++
	r.payload += r.size
	r.header.advance(r.size)
	r.header.putNumbers(r.header.bytes[:r.header.length], r.size)
}

// extend goes past pkt, if it is the next segment, and perhaps the last.
func (r *run) extend(pkt []byte, l *layout, partial bool) bool {
	if partial && r.isNext(pkt) {
		r.grow()
		return true
	}
	size := len(pkt) - l.payload
	switch {
	case l.payload != r.header.length, size == 0, size > r.size:
		return false
	case l.payload+r.payload+size > maxPacket, r.segments == r.most:
		return false
	}
	if r.segments == 1 {
		r.header.noteFixedID(pkt)
	}
	if !r.matches(pkt, size, partial) {
		return false
	}
	if r.header.tcp {
		r.ending = pkt[r.header.l4+tcpFlagsAt] & (tcpFIN | tcpPSH)
	}
	if size == r.size && r.ending == 0 {
		r.header.put(r.header.bytes[:r.header.length], r.size)
		r.grow()
		return true
	}
	r.segments++
	r.payload += size
	r.stop()
	return true
}

// stop makes that nothing is next.
func (r *run) stop() { r.wire, r.left = 0, 0 }

// matches reports whether pkt has the header of the next segment, of size payload bytes, with FIN and PSH or without, and,
// if its checksum is complete, the right one. It leaves the header's bytes to be put again.
func (r *run) matches(pkt []byte, size int, partial bool) bool {
	h := &r.header
	want := h.bytes[:h.length]
	h.put(want, size)
	if h.tcp {
		want[h.l4+tcpFlagsAt] |= pkt[h.l4+tcpFlagsAt] & (tcpFIN | tcpPSH)
	}
	if !partial {
		copy(want[h.checksumAt:h.checksumAt+2], pkt[h.checksumAt:])
	}
	return string(pkt[:h.length]) == string(want) && (partial || h.verifies(pkt))
}

// finish turns hdr, the header of the first segment, into that of the superpacket.
func (r *run) finish(hdr []byte) {
	r.header.rewind(hdr)
	r.header.put(hdr, r.payload)
	if r.header.tcp {
		hdr[r.header.l4+tcpFlagsAt] |= r.ending
	}
}
