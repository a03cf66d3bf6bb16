package load

const windowSize = 1 << 16 // sequence numbers: more than the packets that any queue between the ends holds

// window knows which of the last 65536 sequence numbers were seen.
type window struct {
	next uint64 // the highest seen plus one
	bits [windowSize / 64]uint64
}

// see notes a sequence number and reports whether it is a new one. What is older than the window counts as seen.
func (w *window) see(seq uint64) bool {
	if seq >= w.next {
		w.advance(seq)
	} else if w.next-seq > windowSize {
		return false
	}
	word, bit := &w.bits[seq/64%uint64(len(w.bits))], uint64(1)<<(seq%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// advance makes room for seq as the highest.
func (w *window) advance(seq uint64) {
	if seq-w.next >= windowSize {
		w.bits = [len(w.bits)]uint64{}
	} else {
		for n := w.next; n <= seq; n++ {
			w.bits[n/64%uint64(len(w.bits))] &^= 1 << (n % 64)
		}
	}
	w.next = seq + 1
}
