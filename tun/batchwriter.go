package tun

import "github.com/weftnet/weft/packet"

// writeBuffers bounds one write of the library, which has places for as many flows (conn.IdealBatchSize) and panics when
// there are more.
const writeBuffers = 128

// joiner is the part of the library's device that writes: packets that begin at offset of each buffer. It returns the bytes
// that went, and what errors.Join makes of all refusals.
type joiner interface {
	Write(bufs [][]byte, offset int) (int, error)
}

// batchWriter is the writing half of batch. The library changes and joins what it is given, so each packet is copied into a
// buffer of our own with room for it to grow.
type batchWriter struct {
	lib       joiner
	able      abilities
	out       *slab
	joinBuf   []byte // a superpacket with its Tail
	segmenter packet.Segmenter

	staged  [][]byte // packets for the next write of the library, each behind slabHeadroom
	pending int      // superpackets that the staged packets stand for
	lost    int      // superpackets of the current Write that did not go
	err     error    // why the first of them did not
}

// newBatchWriter uses all buffers of out: writeBuffers and one.
func newBatchWriter(lib joiner, able abilities, out *slab) *batchWriter {
	return &batchWriter{
		lib: lib, able: able, out: out,
		joinBuf: out.buffer(writeBuffers),
		staged:  make([][]byte, 0, writeBuffers),
	}
}

// write returns how many superpackets did not go, and why the first one did not. The number is exact but for one case: where
// the kernel refuses some of what the library has joined, a joined packet counts once, for the library does not say which.
func (w *batchWriter) write(batch []packet.Superpacket) (lost int, err error) {
	w.lost, w.err = 0, nil
	for i := range batch {
		if err := w.stage(&batch[i]); err != nil {
			w.refuse(1, err)
		}
	}
	w.flush()
	return w.lost, w.err
}

func (w *batchWriter) refuse(n int, err error) {
	w.lost += n
	if w.err == nil {
		w.err = err
	}
}

func (w *batchWriter) stage(p *packet.Superpacket) error {
	if p.SegmentSize != 0 {
		return w.stageSegments(p)
	}
	buf := w.slot()
	pkt, err := whole(p, buf[slabHeadroom:])
	if err != nil {
		return err
	}
	w.push(buf, len(pkt))
	w.pending++
	return nil
}

func (w *batchWriter) stageSegments(p *packet.Superpacket) error {
	pkt, err := contiguous(p, w.joinBuf)
	if err != nil {
		return err
	}
	if err := w.segmenter.Reset(pkt, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset); err != nil {
		return err
	}
	w.pending++
	for range w.segmenter.Count() {
		if len(w.staged) == writeBuffers {
			before := w.lost
			w.flush()
			if w.lost == before {
				w.pending = 1 // this one again, with the rest of its segments
			}
		}
		buf := w.slot()
		n, payload, _ := w.segmenter.Next(buf[slabHeadroom:])
		n += copy(buf[slabHeadroom+n:], payload)
		w.push(buf, n)
	}
	return nil
}

// slotLen is the length of a staged packet's buffer. The library joins packets until the whole would be longer than the first
// one's capacity, counted from the packet on, less the offset: longer than an IP length field can say must not fit.
const slotLen = slabHeadroom + maxPacket + slabHeadroom

// slot is the buffer of the next packet to be staged.
func (w *batchWriter) slot() []byte {
	if len(w.staged) == writeBuffers {
		w.flush()
	}
	return w.out.buffer(len(w.staged))[:slotLen:slotLen]
}

// push stages a packet of n bytes. A packet whose buffer has no room to grow is not joined with others.
func (w *batchWriter) push(buf []byte, n int) {
	end := slabHeadroom + n
	if !w.joinable(buf[slabHeadroom:end]) {
		buf = buf[:end:end]
	}
	w.staged = append(w.staged, buf[:end])
}

func (w *batchWriter) joinable(pkt []byte) bool {
	h, err := packet.Parse(pkt)
	switch {
	case err != nil:
		return false
	case h.Proto == packet.ProtoTCP:
		return w.able.joinTCP == nil
	case h.Proto == packet.ProtoUDP:
		return w.able.joinUDP == nil
	}
	return true
}

func (w *batchWriter) flush() {
	if len(w.staged) > 0 {
		n, err := w.lib.Write(w.staged, slabHeadroom)
		if err != nil {
			errs, first := leaves(err)
			if n == 0 {
				errs = w.pending
			}
			w.refuse(min(errs, w.pending), first)
		}
	}
	w.staged, w.pending = w.staged[:0], 0
}

// leaves returns how many errors are in a tree that errors.Join made, and the first.
func leaves(err error) (n int, first error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return 1, err
	}
	for _, e := range joined.Unwrap() {
		m, leaf := leaves(e)
		if n += m; first == nil {
			first = leaf
		}
	}
	return n, first
}
