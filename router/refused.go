package router

import (
	"bytes"

	"github.com/weftnet/weft/encap"
)

// way is how a train that waits travels.
type way struct {
	via
	parts int // of the one frame that the train holds; 0: its frames are whole
}

// least is the longest frame that the first link of a way takes in any case.
func (w *way) least() int { return w.floor() - w.headers() }

// refusedFrame is a frame that the kernel refused as too long for the link, since that has become smaller, in memory of its own
// and without a front for relays.
type refusedFrame struct {
	way
	ecn   uint8
	frame []byte
}

// takeRefused takes the refused frames of the trains that were sent out of what is counted, and copies them, as far as they may be
// sent again. What it leaves counts packets, of frames in parts as well. It allocates, but a link does not become smaller often.
func (s *sender) takeRefused(r *encap.SendResult) (list []refusedFrame) {
	for i := range s.trains {
		t, w := &s.trains[i], &s.ways[i]
		if t.Refused.Count == 0 {
			continue
		}
		packets := t.Refused.Count
		if w.parts > 0 {
			packets = 1
			r.Sent -= w.parts - t.Refused.Count
			s.surplus -= w.parts - 1
		}
		r.TooBig -= t.Refused.Count
		if s.again || !w.keys.Parts() || t.Size <= w.least() {
			r.TooBig += packets
			continue
		}
		list = w.refused(list, t)
	}
	return list
}

// refused appends the refused frames of a train.
func (w *way) refused(list []refusedFrame, t *encap.Train) []refusedFrame {
	if w.parts > 0 {
		return append(list, refusedFrame{*w, t.ECN, w.wholeOf(t)})
	}
	return w.framesOf(list, t)
}

// framesOf appends the refused frames of a train.
func (w *way) framesOf(list []refusedFrame, t *encap.Train) []refusedFrame {
	all, front := bytes.Join(t.Bufs, nil), w.front()
	for number := t.Refused.First; number < t.Refused.First+t.Refused.Count; number++ {
		begin := number * t.Size
		frame := all[begin:min(begin+t.Size, len(all))]
		list = append(list, refusedFrame{*w, t.ECN, frame[front:]})
	}
	return list
}

// wholeOf is the frame of a train that holds its parts.
func (w *way) wholeOf(t *encap.Train) (frame []byte) {
	head := w.front() + encap.PartHead
	for rest := bytes.Join(t.Bufs, nil); len(rest) > 0; {
		n := min(t.Size, len(rest))
		frame = append(frame, rest[head:n]...)
		rest = rest[n:]
	}
	return frame
}

// resend sends refused frames once more, in parts that every link takes.
func (s *sender) resend(list []refusedFrame) {
	if len(list) == 0 {
		return
	}
	s.again = true
	for i := range list {
		s.splitRefused(&list[i])
	}
	s.flush()
	s.again = false
}

// splitRefused adds the parts of a refused frame. Its packet was counted for the peer when it was sealed.
func (s *sender) splitRefused(f *refusedFrame) {
	front := f.front()
	parts := encap.Parts{Lane: s.wire, Index: f.keys.RemoteIndex, Length: len(f.frame), ID: s.partID}
	if parts.Count = encap.CutFrame(parts.Length, f.least()-front); parts.Count == 0 {
		s.l.out.drop(TooBig, 1)
		return
	}
	s.partID++
	s.reserve(parts.Count*(front+encap.PartHead), 2*parts.Count)
	if err := s.addParts(f.via, f.ecn, &parts, f.frame); err != nil {
		s.l.out.drop(refusal(err), 1)
		return
	}
	s.surplus += parts.Count - 1
	if f.way.parts == 0 {
		s.l.out.split.Add(1)
	}
}
