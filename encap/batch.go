package encap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	sendBatch      = 64   // messages of one sendmmsg
	messageVectors = 1024 // pieces of one message (UIO_MAXIOV)
	sendVectors    = 2 * messageVectors
	maxPieces      = 64 // that one frame may lie in
)

// batch is the memory of one sendmmsg: messages, and the addresses, control data and pieces that they point to.
type batch struct {
	heads    [sendBatch]unix.Mmsghdr
	messages [sendBatch]message
	vectors  [sendVectors]unix.Iovec
	names    [sendBatch]sockaddr  // of the first message of each part
	control  [sendBatch]ancillary // likewise
	sources  [sendBatch]control   // likewise

	queued int // messages
	pieces int // vectors in use
	end    int // of the vectors of the message that is being gathered
	bytes  int // of its frames
	done   int // messages sent or given up
}

// message is what one of the batch's messages holds. It is a train for the kernel if it has several frames.
type message struct {
	part
	first int // the message that holds its address
	bytes int // of its frames
}

// full reports that there may not be room for one more message.
func (b *batch) full() bool { return b.queued == sendBatch || b.pieces > sendVectors-messageVectors }

// reset forgets all messages.
func (b *batch) reset() { b.queued, b.pieces, b.done = 0, 0, 0 }

// address makes the next message the one that holds the train's destination and control data. false: the socket's family
// cannot carry it.
func (b *batch) address(t *Train, is6 bool) bool {
	i := b.queued
	b.heads[i].Hdr.Namelen = putSockaddr(&b.names[i], t.To.Addr, is6)
	b.sources[i] = b.control[i].put(t)
	return b.heads[i].Hdr.Namelen > 0
}

// gather puts frames of p into vectors, one at least and as many as one message takes. torn: it has stopped behind a frame
// that lies in too many pieces and is left out.
func (b *batch) gather(p *part, l limit) (frames int, torn bool) {
	b.end, b.bytes = b.pieces, 0
	for p.frames > 0 && p.rest.more() && (frames == 0 || frames < l.frames && b.fits(p, l)) {
		p.frames--
		if !b.frame(&p.rest, p.size) {
			return frames, true
		}
		frames++
	}
	return frames, false
}

// fits reports whether there is room for the next frame of p in the message.
func (b *batch) fits(p *part, l limit) bool {
	return b.end-b.pieces <= messageVectors-maxPieces-len(padding) &&
		(b.bytes+p.size <= l.bytes || b.bytes+p.rest.left() <= l.bytes)
}

// frame puts one frame into vectors. false: it lies in too many pieces, and nothing of it is there.
func (b *batch) frame(rest *cursor, size int) bool {
	begin, length := b.end, b.lastLen()
	bytes := 0
	for bytes < size {
		piece := rest.take(size - bytes)
		if piece == nil {
			break
		}
		bytes += len(piece)
		switch {
		case b.join(piece):
		case b.end-begin < maxPieces:
			b.vectors[b.end].Base = &piece[0]
			b.vectors[b.end].SetLen(len(piece))
			b.end++
		default:
			rest.skip(size - bytes)
			b.end = begin
			b.setLastLen(length)
			return false
		}
	}
	b.bytes += bytes
	return true
}

// pad adds padding to the frames that are being gathered.
func (b *batch) pad() {
	b.vectors[b.end].Base = &padding[0]
	b.vectors[b.end].SetLen(len(padding))
	b.end++
}

// join lengthens the message's last piece by one that lies right behind it in memory: the frames of a slab are one piece.
func (b *batch) join(piece []byte) bool {
	if b.end == b.pieces {
		return false
	}
	last := &b.vectors[b.end-1]
	if uintptr(unsafe.Pointer(last.Base))+uintptr(last.Len) != uintptr(unsafe.Pointer(&piece[0])) {
		return false
	}
	last.SetLen(int(last.Len) + len(piece))
	return true
}

// lastLen is the length of the message's last piece; 0: there is none yet.
func (b *batch) lastLen() int {
	if b.end == b.pieces {
		return 0
	}
	return int(b.vectors[b.end-1].Len)
}

func (b *batch) setLastLen(n int) {
	if b.end > b.pieces {
		b.vectors[b.end-1].SetLen(n)
	}
}

// queue makes the next message of the gathered pieces, with the address of message first.
func (b *batch) queue(p part, first int) {
	h := &b.heads[b.queued].Hdr
	h.Name = (*byte)(unsafe.Pointer(&b.names[first]))
	h.Namelen = b.heads[first].Hdr.Namelen
	h.Iov = &b.vectors[b.pieces]
	h.SetIovlen(b.end - b.pieces)
	b.messages[b.queued] = message{part: p, first: first, bytes: b.bytes}
	b.setControl(b.queued, b.sources[first].source > 0)
	b.queued++
	b.pieces = b.end
}

// setControl gives message i its control data, with or without our source address.
func (b *batch) setControl(i int, source bool) {
	m, h := &b.messages[i], &b.heads[i].Hdr
	c := b.sources[m.first]
	begin, end := c.source, c.single
	if source {
		begin = 0
	}
	if m.frames > 1 {
		end = c.train
	}
	h.Control = nil
	if end > begin {
		h.Control = &b.control[m.first].bytes()[begin]
	}
	h.SetControllen(end - begin)
}

// dropSource lets the kernel choose the source of the first unsent message, and of those of its part that follow it.
func (b *batch) dropSource() {
	for i := b.done; i < b.queued && b.messages[i].first == b.messages[b.done].first; i++ {
		b.setControl(i, false)
	}
}

// giveUp passes over the first unsent message and returns it.
func (b *batch) giveUp() *message {
	b.done++
	return &b.messages[b.done-1]
}

// repeats reports whether the first unsent message is of the same part as m, and as long.
func (b *batch) repeats(m *message) bool {
	return b.done < b.queued && b.messages[b.done].first == m.first && b.messages[b.done].bytes >= m.bytes
}

// frames is how many frames the n messages hold that begin at the first unsent one.
func (b *batch) frames(n int) (frames int) {
	for i := range n {
		frames += b.messages[b.done+i].frames
	}
	return frames
}
