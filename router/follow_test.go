package router

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

// A peer's packets come from two endpoints in turn, neither of which it claims: the link does not follow each of them, and follows at once
// where only one is left.
func TestAPeerThatIsHeardFromTwoEndpointsInTurnIsFollowedOnceASecond(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		before := a.count(PathMoved)
		at := [2]encap.Endpoint{{Addr: netip.MustParseAddrPort("198.51.100.1:1000")}, {Addr: netip.MustParseAddrPort("198.51.100.2:1000")}}
		hear := func(from encap.Endpoint) {
			check(t, a.router.call(func() { a.router.heardFrom(a.router.peers[b.id()], from, heard) }))
		}
		for range 300 {
			hear(at[0])
			hear(at[1])
			time.Sleep(10 * time.Millisecond)
		}
		if n := a.count(PathMoved) - before; n < 1 || n > 4 {
			t.Errorf("moved %d times in 3 s", n)
		}
		last := at[0]
		if a.peer(b).Endpoint == last.Addr {
			last = at[1]
		}
		time.Sleep(2 * a.router.timing.CallMin)
		hear(last)
		if got := a.peer(b).Endpoint; got != last.Addr {
			t.Errorf("the link leads to %v, and not to the endpoint that is left, %v", got, last.Addr)
		}
	})
}
