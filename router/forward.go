package router

import "github.com/weftnet/weft/encap"

// forwarder sends the relay frames of one batch on, from the memory where they were received. Equal frames to one hop become one train
// again. Only the loop that serves the port uses it.
type forwarder struct {
	l      *lane
	bufs   [][]byte
	trains []encap.Train
	last   forwarded // what the last of trains is made of
	size   int       // of its frames but the last
	bytes  int       // of its frames
	mark   int       // where its gather list begins in bufs
	closed bool      // its last frame is shorter
}

// forwarded is what the frames of a train have in common.
type forwarded struct {
	hop       hop
	source    *peer
	lane      uint8
	ecn, dscp uint8
}

const (
	forwardBufs   = 1024 // frames of one flush
	forwardTrains = 64   // trains of one flush
)

// add takes a frame that is borrowed until flush.
func (f *forwarder) add(by forwarded, frame []byte) {
	if f.takes(by, len(frame)) {
		f.closed = len(frame) < f.size
	} else {
		f.begin(by, len(frame))
	}
	f.bytes += len(frame)
	f.bufs = append(f.bufs, frame)
	f.trains[len(f.trains)-1].Bufs = f.bufs[f.mark:len(f.bufs):len(f.bufs)]
}

// takes reports whether the last train may grow by a frame of n bytes.
func (f *forwarder) takes(by forwarded, n int) bool {
	frames := len(f.bufs) - f.mark
	return len(f.trains) > 0 && f.last == by && !f.closed && n <= f.size &&
		frames < maxTrainFrames && f.bytes+n <= encap.MaxTrainBytes && len(f.bufs) < cap(f.bufs)
}

// begin starts a train of frames of n bytes. All trains of a flush travel in one lane.
func (f *forwarder) begin(by forwarded, n int) {
	switch {
	case f.bufs == nil:
		f.bufs, f.trains = make([][]byte, 0, forwardBufs), make([]encap.Train, 0, forwardTrains)
	case len(f.bufs) == cap(f.bufs), len(f.trains) == cap(f.trains), by.lane != f.last.lane:
		f.flush()
	}
	f.settle()
	f.last, f.size, f.bytes, f.mark, f.closed = by, n, 0, len(f.bufs), false
	f.trains = append(f.trains, encap.Train{To: by.hop.link.endpoint, Size: n, ECN: by.ecn, DSCP: by.dscp})
}

// settle counts the last train for its source.
func (f *forwarder) settle() {
	if frames := len(f.bufs) - f.mark; frames > 0 {
		f.last.source.carry.relayed.Add(uint64(frames))
		f.last.source.carry.relayedBytes.Add(uint64(f.bytes))
		f.l.relayed.bytes.Add(uint64(f.bytes))
	}
	f.mark, f.bytes = len(f.bufs), 0
}

// flush sends the trains that wait. What the underlay refuses is counted as dropped, not as relayed.
func (f *forwarder) flush() {
	if len(f.trains) == 0 {
		return
	}
	f.settle()
	l := f.l
	result := l.r.conns[f.last.lane].Send(f.trains)
	l.in.drop(TooBig, result.TooBig)
	l.in.drop(Unreachable, result.Unreachable)
	l.in.drop(SendFailed, result.Failed)
	l.relayed.frames.Add(uint64(result.Sent))
	clear(f.trains)
	clear(f.bufs)
	f.trains, f.bufs, f.mark, f.last = f.trains[:0], f.bufs[:0], 0, forwarded{}
}
