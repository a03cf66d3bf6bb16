package encap

import "math"

// part is a run of a train's frames.
type part struct {
	train  *Train
	rest   cursor // over its frames, and perhaps others behind them
	size   int    // of each frame but the last, in bytes
	frames int    // how many, at most
}

// wholeTrain is all of a train.
func wholeTrain(t *Train) part {
	size := t.Size
	if size <= 0 {
		size = math.MaxInt32 // all of it is one frame
	}
	return part{train: t, rest: cursor{bufs: t.Bufs}, size: size, frames: math.MaxInt32}
}

// number is that of the next frame in its train.
func (p *part) number() int {
	all := wholeTrain(p.train)
	return (all.rest.left() - p.rest.left()) / p.size
}

// more reports whether frames are left.
func (p *part) more() bool { return p.frames > 0 && p.rest.more() }

// count is how many frames are left.
func (p *part) count() int {
	return min(p.frames, (p.rest.left()+p.size-1)/p.size)
}
