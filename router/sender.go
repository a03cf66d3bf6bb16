package router

import (
	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
)

// sender is the outbound half of a lane: it builds frames and sends them in batches. Only the loop that serves the device
// uses it.
type sender struct {
	l       *lane
	slab    []byte   // headers and sealed bodies of the trains that wait; cut from the front
	used    int      // bytes of slab in use
	bufs    [][]byte // gather lists of the trains that wait
	trains  []encap.Train
	ways    []way // of trains
	last    train // the last of trains, while it can grow
	wire    uint8 // lane that the waiting trains travel in
	partial bool  // checksums of the packet that is being sent may stay partial
	segment packet.Segmenter
	now     int64  // clock of the packet that is being sent
	partID  uint32 // of the next frame that goes in parts
	surplus int    // of the frames that wait: parts that are not the only one of their packet
	again   bool   // the frames that wait were refused once
}

const (
	slabLen   = 512 << 10 // holds 7 sealed superpackets of 64 KiB; small enough for the L2 cache
	maxTrains = 128       // trains of one flush
	maxBufs   = 4096      // 31 superpackets of 64 segments, each a header and a payload
)

// init makes a sender whose slab is that long: more than a sealed superpacket of 64 KiB needs.
func (s *sender) init(l *lane, slab int) {
	s.l, s.partID = l, randomID()
	s.slab = make([]byte, slab)
	s.bufs = make([][]byte, 0, maxBufs)
	s.trains = make([]encap.Train, 0, maxTrains)
	s.ways = make([]way, 0, maxTrains)
}

// drop counts a superpacket as dropped, by its segments: that is what would have gone out.
func (s *sender) drop(reason Reason, p *packet.Superpacket) {
	s.l.out.drop(reason, s.count(p))
}

// count is the number of a superpacket's segments.
func (s *sender) count(p *packet.Superpacket) int {
	if p.SegmentSize > 0 && s.segment.Reset(p.Data, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset) == nil {
		return s.segment.Count()
	}
	return 1
}

// route sends one superpacket to the peer that owns its destination, lets it wait for that peer's session, or drops it under
// one reason.
func (s *sender) route(table *snapshot, p *packet.Superpacket, now int64) {
	src, dst, ok := packet.Addrs(p.Data)
	if !ok {
		s.l.out.drop(Malformed, 1)
		return
	}
	to, reason, ok := table.leads(src, dst)
	if !ok {
		s.drop(reason, p)
		return
	}
	v := wayTo(to)
	if !v.open() {
		s.await(to, p, now)
		return
	}
	s.send(v, p, now)
}

// send sends one superpacket to a peer.
func (s *sender) send(v via, p *packet.Superpacket, now int64) {
	s.now = now
	v.peer.carried.Store(now)
	s.partial = s.l.r.cfg.Partial
	if v.path.route != nil && !s.relays(v, p, now) {
		return
	}
	s.useLane(v.lane(s.l.id))
	if p.SegmentSize == 0 {
		s.single(v, p)
		return
	}
	s.super(v, p)
}

// relays prepares for a packet that goes through relays; false: it is dropped. In clear its checksum is completed here: that of the outer
// datagram protects it on one hop alone.
func (s *sender) relays(v via, p *packet.Superpacket, now int64) bool {
	if !v.hop.open() {
		s.drop(RelayDown, p)
		return false
	}
	v.path.route.first.carried.Store(now)
	s.partial = s.partial && v.keys.Sealed
	return true
}

// useLane makes the trains that follow travel in lane w: another one than ours where the peer has fewer.
func (s *sender) useLane(w uint8) {
	if w != s.wire {
		s.flush()
		s.wire = w
	}
}

// single sends a packet that is one segment.
func (s *sender) single(v via, p *packet.Superpacket) {
	flags, ok := s.checksum(p)
	if !ok {
		s.l.out.drop(Malformed, 1)
		return
	}
	size := v.frameLen(len(p.Data))
	v.noteLong(size, s.now)
	if v.tooLong(size) {
		s.split(v, flags, ecnOf(p.Data), p.Data)
		return
	}
	s.reserve(len(p.Data)+frameSlack+v.front(), 2)
	s.begin(v, ecnOf(p.Data), size, 1)
	if err := s.frame(v.keys, flags, nil, p.Data); err != nil {
		s.abandon()
		s.l.out.drop(refusal(err), 1)
		return
	}
	s.end(v, len(p.Data), 1)
}

// checksum leaves a partial checksum to the receiver, if it may be, or completes it. Where the field lies other than the
// headers say (a tunnel inside the packet), the receiver would not find it.
func (s *sender) checksum(p *packet.Superpacket) (flags uint8, ok bool) {
	if !p.Partial() {
		return 0, true
	}
	if s.partial {
		start, offset, err := packet.PartialChecksum(p.Data)
		if err == nil && start == p.ChecksumStart && offset == p.ChecksumOffset {
			return encap.FlagPartial, true
		}
	}
	return 0, packet.CompleteChecksum(p.Data, p.ChecksumStart, p.ChecksumOffset) == nil
}

// super sends a superpacket as a train of frames, one for each segment.
func (s *sender) super(v via, p *packet.Superpacket) {
	if err := s.segment.Reset(p.Data, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset); err != nil {
		s.l.out.drop(Malformed, 1)
		return
	}
	count, header := s.segment.Count(), s.segment.HeaderLen()
	need := len(p.Data) + count*(frameSlack+v.front()+header) + packet.MaxHeader
	if need > len(s.slab) || 2*count > maxBufs { // segments of less than about 40 bytes: no stack sends that, whatever injects it may not hurt us
		s.l.out.drop(Malformed, count)
		return
	}
	s.l.out.superpackets.Add(1)
	size := v.frameLen(min(header+p.SegmentSize, s.segment.Length()))
	v.noteLong(size, s.now)
	if v.tooLong(size) {
		s.splitSegments(v, p)
		return
	}
	s.reserve(need, 2*count)
	s.begin(v, ecnOf(p.Data), size, count)
	sum, err := s.segments(v.keys, p.Data)
	if err != nil {
		s.abandon()
		s.l.out.drop(refusal(err), count)
		return
	}
	s.end(v, sum, count)
}

// segments appends the frames of all segments of data; sum is the length of the packets in them. In clear the headers stand in
// the slab. Sealed, each is written before its payload, over the end of the one before, which is sealed already: so a packet
// is one piece of memory, and sealing is the only copy.
func (s *sender) segments(keys *encap.Keypair, data []byte) (sum int, err error) {
	for at := 0; ; {
		slot := data[at:]
		if !keys.Sealed {
			slot = s.slab[s.used+s.last.front+encap.HeaderLen:]
		}
		header, payload, flags, ok := s.next(slot)
		if !ok {
			return sum, nil
		}
		packet := payload
		if keys.Sealed {
			header, packet = nil, slot[:len(header)+len(payload)]
		}
		if err := s.frame(keys, flags, header, packet); err != nil {
			return 0, err
		}
		at += len(payload)
		sum += s.segment.HeaderLen() + len(payload)
	}
}

// next is the next segment, whose header it writes to slot, and the flags of its frame.
func (s *sender) next(slot []byte) (header, payload []byte, flags uint8, ok bool) {
	n := 0
	if s.partial && !s.segment.Unchecked() {
		flags = encap.FlagPartial
		n, payload, ok = s.segment.NextPartial(slot)
	} else {
		n, payload, ok = s.segment.Next(slot)
	}
	return slot[:n:n], payload, flags, ok
}

// frameSlack is what a frame adds to its packet.
const frameSlack = encap.HeaderLen + encap.CounterLen + encap.TagLen

// frame appends one frame. In clear the payload stays where it lies, and header stands in the slab already, behind room for
// the frame's own. Sealed, there is no header, and the frames of a train become one piece of memory.
func (s *sender) frame(keys *encap.Keypair, flags uint8, header, payload []byte) error {
	slot, front := s.slab[s.used:], s.last.front
	if front > 0 {
		if err := s.last.sealFront(slot, s.wire); err != nil {
			return err
		}
	}
	if !keys.Sealed {
		end := front + encap.HeaderLen + len(header)
		keys.PutClearHeader(slot[front:front+encap.HeaderLen], s.wire, flags)
		s.bufs = append(s.bufs, slot[:end:end], payload)
		s.used += end
		return nil
	}
	sealed, err := keys.SealData(slot[:front], s.wire, flags, payload)
	if err != nil {
		return err
	}
	s.used += len(sealed)
	if len(s.bufs) == s.last.mark {
		s.bufs = append(s.bufs, nil)
	}
	s.bufs[s.last.mark] = s.slab[s.last.start:s.used]
	return nil
}

// reserve makes room for n bytes of slab and bufs entries of gather list, flushing what waits if it must.
func (s *sender) reserve(n, bufs int) {
	if s.used+n > len(s.slab) || len(s.trains) == maxTrains || len(s.bufs)+bufs > cap(s.bufs) {
		s.flush()
	}
}

// flush sends the trains that wait. What the underlay refuses is counted as dropped, not as delivered; of what is too long for
// it as much is sent again as can be.
func (s *sender) flush() {
	if len(s.trains) == 0 {
		return
	}
	l := s.l
	result := l.r.conns[s.wire].Send(s.trains)
	var refused []refusedFrame
	if result.TooBig > 0 {
		refused = s.takeRefused(&result)
		l.r.refusedSize(s.trains)
	}
	l.out.drop(TooBig, result.TooBig)
	l.out.drop(Unreachable, result.Unreachable)
	l.out.drop(SendFailed, result.Failed)
	l.out.packets.Add(uint64(result.Sent - min(s.surplus, result.Sent)))
	l.turns.sent(&result)
	s.reset()
	s.resend(refused)
}

// reset forgets the trains that were sent.
func (s *sender) reset() {
	clear(s.trains)
	clear(s.ways)
	s.trains, s.ways, s.bufs, s.used, s.last, s.surplus = s.trains[:0], s.ways[:0], s.bufs[:0], 0, train{}, 0
}
