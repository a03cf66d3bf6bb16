package router

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/weftnet/weft/encap"
)

// repeats remembers the latest initiations that were let in, so that a frame which was recorded and is sent again, and again, costs
// no curve work. It forgets one when another takes its place: the session refuses its stamp then. It may be used from any goroutine.
type repeats struct {
	slots [repeatSlots]atomic.Uint64 // half of each MAC, at a place which the other half chooses; the MAC is no one's to choose
}

const repeatSlots = 4096

// has reports whether the initiation is known.
func (r *repeats) has(m encap.Mark) bool {
	slot, half := r.place(m)
	return slot.Load() == half
}

// add remembers an initiation. It reports whether that is news.
func (r *repeats) add(m encap.Mark) bool {
	slot, half := r.place(m)
	return slot.Swap(half) != half
}

func (r *repeats) place(m encap.Mark) (slot *atomic.Uint64, half uint64) {
	at := binary.BigEndian.Uint64(m.MAC[8:]) % repeatSlots
	return &r.slots[at], binary.BigEndian.Uint64(m.MAC[:8])
}
