package encap

// WindowSize is how far behind the highest counter a frame may come, in frames.
const WindowSize = 8192

// windowWords holds WindowSize bits behind the word that the highest counter is in: while that word fills, the words
// behind it must still hold WindowSize counters.
const windowWords = WindowSize/64 + 1

// window remembers which counters have come (RFC 6479). One goroutine uses it. A counter is asked for with fresh before
// its frame is authenticated, and entered with commit after.
type window struct {
	next uint64 // the highest counter entered, plus one
	bits [windowWords]uint64
}

// fresh reports whether counter has not come and is not too old to know.
func (w *window) fresh(counter uint64) bool {
	if counter >= w.next {
		return true
	}
	if w.next-counter > WindowSize {
		return false
	}
	return w.bits[counter/64%windowWords]>>(counter%64)&1 == 0
}

// commit enters a counter that fresh has approved. counter must be less than the highest uint64.
func (w *window) commit(counter uint64) {
	if counter >= w.next {
		w.advance(counter)
	}
	w.bits[counter/64%windowWords] |= 1 << (counter % 64)
}

func (w *window) advance(counter uint64) {
	from := uint64(0)
	if w.next > 0 {
		from = (w.next - 1) / 64
	}
	steps := min(counter/64-from, windowWords)
	for i := uint64(1); i <= steps; i++ {
		w.bits[(from+i)%windowWords] = 0
	}
	w.next = counter + 1
}
