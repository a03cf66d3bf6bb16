package router

import (
	"testing"
	"time"
)

// While all links are slow two nodes meet. When that is over, a third one comes, whose links have never been slow, so the way through it may
// look better: for as long as it takes to measure the direct link once.
func TestALinkThatWasSlowForAWhileIsNotLeftForGood(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		w.net.SetDelay(150 * time.Millisecond)
		a, b, r := w.side(1), w.side(2), w.side(3)
		w.join(a, b)
		time.Sleep(5 * time.Minute) // the link is one of those that are measured once a minute
		w.net.SetDelay(lan.Delay)
		w.join(a, b, r)
		time.Sleep(2 * time.Minute)
		if a.relays(b) || b.relays(a) {
			t.Error("packets go through the third node")
		}
		if n := a.count(PathRelayed); n > 1 {
			t.Errorf("%d moves to the relay", n)
		}
	})
}
