package encap

import (
	"slices"
	"time"
)

const (
	pendingFor = 15 * time.Second // an initiation may be answered
	maxWaiting = 4                // initiations to one peer that may be: the newest ones
)

// pending are the initiations of ours that were not answered, the oldest first. There are several because an answer may take longer
// than the pause between two calls: over a long path, and from a node that has no time. The first answer ends all.
type pending []*attempt

// find returns the initiation of that index, or nil.
func (p pending) find(index uint32) *attempt {
	for _, a := range p {
		if a.index == index {
			return a
		}
	}
	return nil
}

// newest reports whether no initiation was sent after a.
func (p pending) newest(a *attempt) bool { return len(p) > 0 && p[len(p)-1] == a }

// wait adds an initiation that was made, in the place of the oldest one where there are too many.
func (s *Session) wait(a *attempt, now time.Time) {
	a.end = now.Add(pendingFor)
	s.pending = append(s.pending, a)
	if len(s.pending) > maxWaiting {
		s.drop(s.pending[0])
	}
}

// drop ends one initiation.
func (s *Session) drop(a *attempt) {
	s.cfg.Local.indexes.release(a.index)
	s.pending = slices.DeleteFunc(s.pending, func(b *attempt) bool { return a == b })
}

// forget ends all initiations.
func (s *Session) forget() {
	for _, a := range s.pending {
		s.cfg.Local.indexes.release(a.index)
	}
	s.pending = nil
}

// expirePending ends the initiations that nobody answered in time.
func (s *Session) expirePending(now time.Time) {
	for len(s.pending) > 0 && !now.Before(s.pending[0].end) {
		s.drop(s.pending[0])
	}
}

// Pending reports whether index is that of an initiation of ours which waits for its response.
func (s *Session) Pending(index uint32) bool { return s.pending.find(index) != nil }

// AppendAsked adds the indexes of the initiations of ours that wait for a response to dst, the oldest first: 4 at most.
func (s *Session) AppendAsked(dst []uint32) []uint32 {
	for _, a := range s.pending {
		dst = append(dst, a.index)
	}
	return dst
}
