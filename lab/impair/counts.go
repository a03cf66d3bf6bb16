package impair

import (
	"sync/atomic"
)

// Counts are what has become of the frames so far, both ways together.
type Counts struct {
	Frames     uint64 // from one of the two hosts to the other
	Lost       uint64 // of Frames
	Duplicated uint64 // of Frames
	Held       uint64 // of Frames: arrived late
	Passed     uint64 // frames of others, and broadcasts
	Refused    uint64 // writes that the kernel did not take: lost by accident
	Largest    uint64 // bytes of the largest frame
}

// counters are Counts that several goroutines count.
type counters struct {
	frames, lost, duplicated, held, passed, refused, largest atomic.Uint64
}

func (c *counters) read() Counts {
	return Counts{
		Frames: c.frames.Load(), Lost: c.lost.Load(), Duplicated: c.duplicated.Load(), Held: c.held.Load(),
		Passed: c.passed.Load(), Refused: c.refused.Load(), Largest: c.largest.Load(),
	}
}

// fate counts a frame between the two hosts.
func (c *counters) fate(f fate) {
	c.frames.Add(1)
	switch {
	case f.copies == 0:
		c.lost.Add(1)
	case f.copies == 2:
		c.duplicated.Add(1)
	}
	if f.held {
		c.held.Add(1)
	}
}

// size notes the length of a frame.
func (c *counters) size(n int) {
	for {
		old := c.largest.Load()
		if uint64(n) <= old || c.largest.CompareAndSwap(old, uint64(n)) {
			return
		}
	}
}
