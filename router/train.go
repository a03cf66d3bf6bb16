package router

import "github.com/weftnet/weft/encap"

// via is how a packet travels now.
type via struct {
	peer *peer
	path *path
	keys *encap.Keypair
	fit  *fit // nil: frames go in one piece
	hop  hop  // of a path through relays
}

// wayTo is the way to a peer.
func wayTo(p *peer) via { return wayBy(p, p.path.Load()) }

// wayBy is the way to a peer by a path.
func wayBy(p *peer, by *path) via {
	v := via{peer: p, path: by, keys: p.session.Current(), fit: p.fit.Load()}
	if by != nil && by.route != nil {
		v.hop = hopTo(by.route.first)
	}
	return v
}

// endpoint is where frames are sent to.
func (v via) endpoint() encap.Endpoint {
	if v.path.route != nil {
		return v.hop.link.endpoint
	}
	return v.path.endpoint
}

// front is how many bytes stand before each frame, for its relays.
func (v via) front() int {
	if v.path.route != nil {
		return v.path.route.front
	}
	return 0
}

// open reports whether packets may be sent.
func (v via) open() bool { return v.path != nil && !v.path.suspended && v.keys != nil }

// lane is the lane that frames of our lane id travel in: one that the peer has, too, and the first relay.
func (v via) lane(id uint8) uint8 {
	n := min(v.path.lanes, uint8(v.keys.Lanes))
	if v.path.route != nil {
		n = min(n, v.hop.link.lanes, uint8(v.hop.keys.Lanes))
	}
	return inLane(id, n)
}

// frameLen is the length of a frame around a packet of n bytes.
func (v via) frameLen(n int) int {
	n += v.front()
	if v.keys.Sealed {
		return n + encap.HeaderLen + encap.CounterLen + encap.TagLen
	}
	return n + encap.HeaderLen
}

// train is the last train of a sender, while frames may be added to it: to the same peer, by the same path, with the same ECN
// codepoint, all of one length but the last.
type train struct {
	via
	ecn    uint8
	size   int  // of each frame but the last
	frames int  // so far
	bytes  int  // so far, of frames
	mark   int  // where its gather list begins in sender.bufs
	start  int  // where its sealed frames begin in sender.slab
	kept   int  // where they ended before the frames that are being added
	front  int  // bytes of each frame's front, for its relays
	closed bool // its last frame is shorter
}

// maxTrainFrames is UDP_MAX_SEGMENTS of Linux 6.9; the port cuts a train that is too long for an older kernel.
const maxTrainFrames = 128

// takes reports whether frames more frames of size, at most bytes in all, may be added.
func (t *train) takes(v via, ecn uint8, size, frames, bytes int) bool {
	return t.frames > 0 && t.via == v && t.ecn == ecn && !t.closed &&
		(size == t.size || frames == 1 && size < t.size) &&
		t.frames+frames <= maxTrainFrames && t.bytes+bytes <= encap.MaxTrainBytes
}

// begin prepares for frames of size, the last one perhaps shorter. Equal small packets to one peer continue its train, so
// that the kernel takes them in one piece.
func (s *sender) begin(v via, ecn uint8, size, frames int) {
	if !s.last.takes(v, ecn, size, frames, size*frames) {
		s.last = train{via: v, ecn: ecn, size: size, mark: len(s.bufs), start: s.used, front: v.front()}
		s.trains = append(s.trains, encap.Train{To: v.endpoint(), Size: size, ECN: ecn})
		s.ways = append(s.ways, way{via: v})
	}
	s.last.kept = s.used
}

// end puts the frames that were appended since begin into the train: packets of bytes in all.
func (s *sender) end(v via, bytes, frames int) {
	t := &s.last
	added := bytes + frames*v.frameLen(0)
	t.closed = added < frames*t.size
	t.frames += frames
	t.bytes += added
	s.trains[len(s.trains)-1].Bufs = s.bufs[t.mark:len(s.bufs):len(s.bufs)]
	v.peer.tx.packets.Add(uint64(frames))
	v.peer.tx.bytes.Add(uint64(bytes))
	s.l.out.bytes.Add(uint64(bytes))
}

// abandon takes back what was appended since begin. The train keeps the frames that it had before, and gets no more.
func (s *sender) abandon() {
	before := len(s.trains[len(s.trains)-1].Bufs)
	s.bufs = s.bufs[:s.last.mark+before]
	switch {
	case before == 0:
		s.trains, s.ways = s.trains[:len(s.trains)-1], s.ways[:len(s.ways)-1]
	case s.last.keys.Sealed:
		s.bufs[s.last.mark] = s.slab[s.last.start:s.last.kept]
	}
	s.last = train{}
}

// sealFront writes the front of a frame that goes through relays.
func (t *train) sealFront(slot []byte, lane uint8) error {
	head := t.path.route.head
	head.Lane = lane
	_, err := t.hop.keys.SealRelay(slot[:0], &head)
	return err
}
