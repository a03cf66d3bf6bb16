package router

import (
	"sync/atomic"
	"time"
)

// Relaying is what this node does for frames of others that are to go on through it.
type Relaying struct {
	Refuse bool // it carries none on
	Prefer bool // its own frames go straight only where no relay gets them there

	// What is carried on for one source in a second, at most; 0: the default, less: without limit. A tenth of it may come at once.
	Frames, Bytes int64
}

// RelayFrames is how many frames of one source are carried on in a second by default: with frames of 1400 bytes, about 5 Gbit/s. Their
// bytes have no limit.
const RelayFrames = 500_000

// relayBurst is the part of a second whose frames may come at once.
const relayBurst = 100 * time.Millisecond

// SetRelaying changes what is carried on, at once. It may be called from any goroutine.
func (r *Router) SetRelaying(to Relaying) {
	if to.Frames == 0 {
		to.Frames = RelayFrames
	}
	if old := r.relaying.Swap(&to); old != nil && (old.Refuse != to.Refuse || old.Prefer != to.Prefer) {
		_ = r.call(r.noteRelaying) // a router that has stopped relays nothing
	}
}

// carriage is what is carried on for one source, in all lanes.
type carriage struct {
	frames, bytes         meter
	relayed, relayedBytes atomic.Uint64
}

// take reports whether a frame of n bytes may be carried on.
func (c *carriage) take(limit *Relaying, n int, clock int64) bool {
	return c.frames.take(limit.Frames, 1, clock) && c.bytes.take(limit.Bytes, int64(n), clock)
}

// meter measures a flow of units, as pace does for events, against a rate that may change. It may be used from any goroutine.
type meter struct {
	next atomic.Int64 // clock at which all that came would have come at the rate
}

// take reports whether n units more may come now, at that many in a second; 0 or less: without limit.
func (m *meter) take(rate, n, clock int64) bool {
	if rate <= 0 {
		return true
	}
	cost := n * int64(time.Second) / rate
	for {
		next := m.next.Load()
		due := max(next, clock)
		if due-clock > int64(relayBurst) {
			return false
		}
		if m.next.CompareAndSwap(next, due+cost) {
			return true
		}
	}
}

// noteNumber tells once of members that have one number, and that nothing is relayed to or from them.
func (r *Router) noteNumber(p *peer) {
	if r.shared[p.number] {
		return
	}
	r.shared[p.number] = true
	r.log.Warn("router.number.shared", "peer", p.config.Name, "id", p.id.Short(), "number", p.number.String())
}
