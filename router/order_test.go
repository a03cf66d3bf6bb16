package router

import (
	"net/netip"
	"testing"
	"time"
)

// A peer that does not answer is called ever more seldom, also while the order of its endpoints changes all the time, as it does where streams
// come from two addresses of a peer in turn. An endpoint that is new begins another series of calls.
func TestAnotherOrderOfEndpointsIsNoReasonToCall(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		b.crash()
		one, two, three := netip.AddrPortFrom(addr4(7), testPort), netip.AddrPortFrom(addr4(8), testPort), netip.AddrPortFrom(addr4(9), testPort)
		for i := range 100 {
			b.config.Endpoints = []netip.AddrPort{one, two}
			if i%2 == 1 {
				b.config.Endpoints = []netip.AddrPort{two, one}
			}
			a.set(a, b)
			time.Sleep(100 * time.Millisecond)
		}
		calls := func() (n int) {
			if err := a.router.call(func() { n = a.router.peers[b.id()].link.Calls() }); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := calls(); n < 4 || n > 8 {
			t.Errorf("the series has %d calls after 10 s, want 4 to 8", n)
		}
		b.config.Endpoints = []netip.AddrPort{one, two, three}
		a.set(a, b)
		time.Sleep(10 * time.Millisecond)
		if n := calls(); n != 1 {
			t.Errorf("with a new endpoint the series has %d calls, want the first of another", n)
		}
	})
}
