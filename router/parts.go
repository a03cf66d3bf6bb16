package router

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
)

// tooLong reports whether a frame of n bytes does not go in one piece.
func (v via) tooLong(n int) bool { return v.fit != nil && n > v.fit.whole }

// noteLong lets control know that frames of n bytes go, if they are long.
func (v via) noteLong(n int, now int64) {
	if v.fit != nil && n >= v.fit.long {
		v.peer.long.Store(now)
	}
}

// randomID is where the ids of a sender's frames begin that go in parts: nobody who does not see them can tell it.
func randomID() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint32(b[:])
}

// splitSegments sends the segments of a superpacket, on which Reset was called, as frames in parts. Header and payload of each
// are put side by side as in segments: the frame is a copy, also in clear.
func (s *sender) splitSegments(v via, p *packet.Superpacket) {
	ecn := ecnOf(p.Data)
	for at := 0; ; {
		slot := p.Data[at:]
		header, payload, flags, ok := s.next(slot)
		if !ok {
			return
		}
		s.split(v, flags, ecn, slot[:len(header)+len(payload)])
		at += len(payload)
	}
}

// split sends a packet as one frame in parts, which are a train of their own.
func (s *sender) split(v via, flags, ecn uint8, data []byte) {
	front := v.front()
	parts := encap.Parts{Lane: s.wire, Index: v.keys.RemoteIndex, Length: v.frameLen(len(data)) - front}
	if parts.Count = encap.CutFrame(parts.Length, v.fit.whole-front); parts.Count == 0 {
		s.l.out.drop(TooBig, 1)
		return
	}
	s.reserve(parts.Length+parts.Count*(front+encap.PartHead), 2*parts.Count)
	frame, err := v.keys.SealData(s.slab[s.used:s.used], s.wire, flags, data)
	if err != nil {
		s.l.out.drop(refusal(err), 1)
		return
	}
	s.used += len(frame)
	parts.ID = s.partID
	s.partID++
	if err := s.addParts(v, ecn, &parts, frame); err != nil {
		s.l.out.drop(refusal(err), 1)
		return
	}
	s.countSplit(v, len(data), parts.Count)
}

// addParts adds the train of the parts of a frame that lies in the slab.
func (s *sender) addParts(v via, ecn uint8, parts *encap.Parts, frame []byte) error {
	t := train{via: v, mark: len(s.bufs), front: v.front()}
	for number := range parts.Count {
		end := s.used + t.front + encap.PartHead
		slot := s.slab[s.used:end:end]
		if t.front > 0 {
			if err := t.sealFront(slot, s.wire); err != nil {
				s.bufs = s.bufs[:t.mark]
				return err
			}
		}
		parts.PutHead(slot[t.front:], number)
		from, to := parts.Piece(number)
		s.bufs = append(s.bufs, slot, frame[from:to])
		s.used = end
	}
	s.trains = append(s.trains, encap.Train{
		To: v.endpoint(), Size: t.front + encap.PartHead + parts.PieceLen(), ECN: ecn, Bufs: s.bufs[t.mark:len(s.bufs):len(s.bufs)],
	})
	s.ways = append(s.ways, way{via: v, parts: parts.Count})
	s.last = train{} // nothing continues it
	return nil
}

// countSplit counts a packet that goes as a frame in so many parts.
func (s *sender) countSplit(v via, bytes, parts int) {
	s.surplus += parts - 1
	s.l.out.split.Add(1)
	v.peer.tx.packets.Add(1)
	v.peer.tx.bytes.Add(uint64(bytes))
	s.l.out.bytes.Add(uint64(bytes))
}

// part takes a part of a frame, and the frame with its last one. Where it may come from is what holds for data frames in clear:
// nobody else takes room among those that wait.
func (v *receiver) part(from encap.Endpoint, h encap.Header, b []byte, ecn uint8) {
	found := v.l.r.indexes.lookup(h.Index)
	switch {
	case found == nil:
		v.unknown(UnknownIndex, from, h.Lane)
		return
	case !found.peer.isAt(from, h.Lane):
		v.l.in.drop(WrongEndpoint, 1)
		return
	}
	parts, number, piece, err := encap.ParsePart(b)
	if err != nil {
		v.l.in.drop(refusal(err), 1)
		return
	}
	frame, ecn := v.rejoiner.Add(parts, number, piece, ecn, v.now)
	if frame == nil {
		return
	}
	whole, err := encap.ParseHeader(frame)
	if err != nil || whole.Type != encap.Data || whole.Index != h.Index || whole.Lane != h.Lane {
		v.l.in.drop(BadFrame, 1)
		return
	}
	v.l.in.split.Add(1)
	v.data(from, whole, frame, ecn)
}
