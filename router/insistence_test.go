package router

import (
	"testing"
	"time"
)

// Two probes within a moment look like those of an end that is not heard. The other end asks by a probe of its own,
// which is no sign to the first one: else both would ask each other for ever, as fast as packets go.
func TestTwoEndsThatHearEachOtherDoNotAskOnAndOn(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		time.Sleep(10 * time.Second)
		for _, s := range []*side{a, b} {
			s.tap.record()
		}
		for range 4 {
			a.insist(b)
			time.Sleep(60 * time.Millisecond)
			b.insist(a)
		}
		time.Sleep(10 * time.Second)
		for _, s := range []*side{a, b} {
			if n := len(s.tap.frames()); n < 8 || n > 150 {
				t.Errorf("%s has sent %d frames", s.name, n)
			}
		}
		if !a.up(b) || !b.up(a) {
			t.Error("they do not reach each other")
		}
	})
}

// insist sends a probe as those of a burst are, to a peer that is heard.
func (s *side) insist(to *side) {
	_ = s.router.call(func() { p := s.router.peers[to.id()]; s.router.probeDirect(p, s.router.now()) })
}
