package router

import (
	"net/netip"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
)

// sender is the outbound half of a lane: it builds frames and sends them in batches. Only the outbound loop uses it.
type sender struct {
	l       *lane
	slab    []byte   // headers and sealed bodies of the trains that wait; cut from the front
	used    int      // bytes of slab in use
	bufs    [][]byte // gather lists of the trains that wait
	trains  []encap.Train
	segment packet.Segmenter
}

const (
	slabLen   = 512 << 10 // holds 7 sealed superpackets of 64 KiB; small enough for the L2 cache
	maxTrains = 128       // trains of one flush
)

func (s *sender) init(l *lane) {
	s.l = l
	s.slab = make([]byte, slabLen)
	s.bufs = make([][]byte, 0, maxTrains*8)
	s.trains = make([]encap.Train, 0, maxTrains)
}

// drop counts a superpacket as dropped, by its segments: that is what would have gone out.
func (s *sender) drop(reason Reason, p *packet.Superpacket) {
	n := 1
	if p.SegmentSize > 0 && s.segment.Reset(p.Data, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset) == nil {
		n = s.segment.Count()
	}
	s.l.out.drop(reason, n)
}

// route sends one superpacket to the peer that owns its destination, or drops it under one reason.
func (s *sender) route(table *snapshot, p *packet.Superpacket, now int64) {
	src, dst, ok := packet.Addrs(p.Data)
	if !ok {
		s.l.out.drop(Malformed, 1)
		return
	}
	to, reason, ok := s.owner(table, src, dst)
	if !ok {
		s.drop(reason, p)
		return
	}
	path, keys := to.path.Load(), to.session.Current()
	if path == nil || keys == nil {
		s.drop(PeerDown, p)
		return
	}
	to.carried.Store(now)
	if p.SegmentSize == 0 {
		s.single(to, path, keys, p)
		return
	}
	s.super(to, path, keys, p)
}

func (s *sender) owner(table *snapshot, src, dst netip.Addr) (*peer, Reason, bool) {
	switch {
	case dst.IsMulticast() || dst.IsLinkLocalUnicast() || dst == broadcast:
		return nil, Multicast, false
	case !table.local.Contains(src):
		return nil, ForeignSource, false
	}
	to := table.owner(dst)
	return to, NoRoute, to != nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// single sends a packet that is one segment.
func (s *sender) single(to *peer, path *path, keys *encap.Keypair, p *packet.Superpacket) {
	if p.ChecksumOffset != 0 {
		if err := packet.CompleteChecksum(p.Data, p.ChecksumStart, p.ChecksumOffset); err != nil {
			s.l.out.drop(Malformed, 1)
			return
		}
	}
	s.reserve(len(p.Data)+frameSlack, 2)
	mark := len(s.bufs)
	if err := s.frame(keys, nil, p.Data); err != nil {
		s.l.out.drop(refusal(err), 1)
		return
	}
	s.finish(to, path, mark, len(p.Data), ecnOf(p.Data), 1)
}

// super sends a superpacket as a train of frames, one for each segment.
func (s *sender) super(to *peer, path *path, keys *encap.Keypair, p *packet.Superpacket) {
	if err := s.segment.Reset(p.Data, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset); err != nil {
		s.l.out.drop(Malformed, 1)
		return
	}
	s.l.out.superpackets.Add(1)
	count := s.segment.Count()
	need := len(p.Data) + count*(frameSlack+packet.MaxHeader)
	if need > len(s.slab) { // segments of less than about 40 bytes: no stack sends that, whatever injects it may not hurt us
		s.l.out.drop(Malformed, count)
		return
	}
	s.reserve(need, 2*count)
	mark, sum := len(s.bufs), 0
	for {
		header := s.slab[s.used+encap.HeaderLen+encap.CounterLen:]
		n, payload, ok := s.segment.Next(header[:packet.MaxHeader])
		if !ok {
			break
		}
		if err := s.frame(keys, header[:n], payload); err != nil {
			s.bufs = s.bufs[:mark]
			s.l.out.drop(refusal(err), count)
			return
		}
		sum += n + len(payload)
	}
	s.finish(to, path, mark, sum, ecnOf(p.Data), count)
}

// frameSlack is what a frame adds to its packet.
const frameSlack = encap.HeaderLen + encap.CounterLen + encap.TagLen

// frame appends one frame of header (which stands in the slab at its place, or is nil) and payload. Clear, the payload
// stays where it lies; sealed, it is copied behind the header and both are sealed in place.
func (s *sender) frame(keys *encap.Keypair, header, payload []byte) error {
	slot := s.slab[s.used:]
	if !keys.Sealed {
		// The header of a sealed frame is longer: move the inner header up to the shorter one.
		copy(slot[encap.HeaderLen:], header)
		end := encap.HeaderLen + len(header)
		keys.PutClearHeader(slot[:encap.HeaderLen], s.l.id, 0)
		s.bufs = append(s.bufs, slot[:end:end], payload)
		s.used += end
		return nil
	}
	body := payload
	if header != nil {
		at := encap.HeaderLen + encap.CounterLen
		body = slot[at : at+len(header)+len(payload)]
		copy(body[len(header):], payload)
	}
	sealed, err := keys.SealData(slot[:0], s.l.id, 0, body)
	if err != nil {
		return err
	}
	s.bufs = append(s.bufs, sealed)
	s.used += len(sealed)
	return nil
}

// finish makes a train of the buffers from mark on.
func (s *sender) finish(to *peer, path *path, mark, bytes int, ecn uint8, frames int) {
	bufs := s.bufs[mark:len(s.bufs):len(s.bufs)]
	size := len(bufs[0])
	if len(bufs) > 1 && len(bufs) == 2*frames { // clear: header and payload alternate
		size += len(bufs[1])
	}
	s.trains = append(s.trains, encap.Train{To: path.endpoint, Bufs: bufs, Size: size, ECN: ecn})
	to.tx.packets.Add(uint64(frames))
	to.tx.bytes.Add(uint64(bytes))
	s.l.out.bytes.Add(uint64(bytes))
}

// reserve makes room for n bytes of slab and bufs entries of gather list, flushing what waits if it must.
func (s *sender) reserve(n, bufs int) {
	if s.used+n > len(s.slab) || len(s.trains) == maxTrains || len(s.bufs)+bufs > cap(s.bufs) {
		s.flush()
	}
}

// flush sends the trains that wait. What the underlay refuses is counted as dropped, not as delivered.
func (s *sender) flush() {
	if len(s.trains) == 0 {
		return
	}
	result := s.l.r.conn.Send(s.trains)
	s.l.out.drop(TooBig, result.TooBig)
	s.l.out.drop(Unreachable, result.Unreachable)
	s.l.out.drop(SendFailed, result.Failed)
	s.l.out.packets.Add(uint64(result.Sent))
	clear(s.trains)
	s.trains, s.bufs, s.used = s.trains[:0], s.bufs[:0], 0
}
