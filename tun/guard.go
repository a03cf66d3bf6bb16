package tun

import (
	"math"
	"sync/atomic"
)

// guard counts the users of something that may be closed while it is in use: the last user closes it. It is what
// internal/poll.fdMutex is for os.File, without its locks: a queue has one reader and one writer by contract.
type guard struct {
	state atomic.Int64 // users, and one of the states below
	last  func()       // called once, when it is closing and nobody uses it any more
}

const (
	guardClosing = math.MinInt64            // nobody new comes in: the sum is negative
	guardClosed  = guardClosing | (1 << 62) // last was called
)

// acquire reports whether the caller may use what is guarded, until it calls release.
func (g *guard) acquire() bool {
	if g.state.Add(1) > 0 {
		return true
	}
	g.release()
	return false
}

func (g *guard) release() {
	if g.state.Add(-1) == guardClosing && g.state.CompareAndSwap(guardClosing, guardClosed) {
		g.last()
	}
}

// close lets nobody in any more. It reports whether it was the first; who is first must be a user itself.
func (g *guard) close() bool {
	return g.state.Or(guardClosing) >= 0
}
