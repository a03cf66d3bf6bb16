package encap

// HearsayWindow remembers which gossip frames of one sender have come without a session, so that none is taken twice: not of a run of
// the sender's before the latest, and of that one not more than WindowSize frames late. One goroutine uses it.
type HearsayWindow struct {
	epoch uint64 // of the sender's latest run
	seen  window
}

// Take reports whether a frame of that stamp is a new one, and enters it.
func (w *HearsayWindow) Take(s Stamp) bool {
	if s.Epoch < w.epoch {
		return false
	}
	if s.Epoch > w.epoch {
		*w = HearsayWindow{epoch: s.Epoch}
	}
	if !w.seen.fresh(s.Seq) {
		return false
	}
	w.seen.commit(s.Seq)
	return true
}
