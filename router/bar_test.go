package router

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

const whyBarred = "its address is barred"

func barsAll(netip.Addr) string { return whyBarred }

// barring makes a side bar an address, while on says so; nil: always.
func barring(addr netip.Addr, on func() bool) func(*Config) {
	return func(c *Config) {
		c.Bars = func(a netip.Addr) string {
			if a == addr && (on == nil || on()) {
				return whyBarred
			}
			return ""
		}
	}
}

func TestAPeerAtABarredAddressIsNeitherCalledNorAnswered(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, clear4), w.side(2, clear4)
		restart(a, barring(addr4(2), nil))
		a.tap.record()
		a.set(b)
		b.set(a)
		within(t, 10*time.Second, "b called several times", func() bool { return a.drops()[PublicInClear] > 3 })
		if p := a.peer(b); p.Up || p.Reason != whyBarred || len(p.Tried) > 0 {
			t.Errorf("a sees b as %+v", p)
		}
		if p := b.peer(a); p.Up {
			t.Error("b has a path to a")
		}
		if n := len(a.tap.frames()); n != 0 {
			t.Errorf("a sent %d frames", n)
		}
		a.inject(udp(pod(1), pod(2), canary))
		b.inject(udp(pod(2), pod(1), canary))
		time.Sleep(time.Second)
		for _, f := range append(a.tap.frames(), b.tap.frames()...) {
			if strings.Contains(string(f), canary) {
				t.Errorf("%x was sent", f)
			}
		}
	})
}

func TestAPeerWithOneAddressThatIsNotBarredIsReachedThereAlone(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		public := netip.MustParseAddr("9.9.9.9") // nothing leaves this process
		a, b := w.side(1, clear4), w.side(2, clear4, at(public, addr4(2)))
		restart(a, barring(public, nil))
		a.set(b)
		b.set(a)
		within(t, 10*time.Second, "both up", func() bool { return allUp(a, b) })
		if p := a.peer(b); p.Endpoint.Addr() != addr4(2) {
			t.Errorf("it is reached at %v", p.Endpoint)
		}
	})
}

func TestAPathThatIsBarredByNowFallsWithTheNextTable(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, clear4), w.side(2, clear4)
		barred := false // of the control goroutine
		restart(a, barring(addr4(2), func() bool { return barred }))
		w.join(a, b)
		check(t, a.router.call(func() { barred = true }))
		a.set(b)
		if p := a.peer(b); p.Up || p.Reason != whyBarred {
			t.Errorf("a sees b as %+v", p)
		}
		before := a.drops()
		b.inject(udp(pod(2), pod(1), canary))
		time.Sleep(10 * time.Millisecond)
		if got := grown(before, a.drops()); got[WrongEndpoint] != 1 {
			t.Errorf("dropped %v, want b's clear frame", got)
		}
		check(t, a.router.call(func() { barred = false }))
		a.set(b)
		within(t, 10*time.Second, "both up again", func() bool { return allUp(a, b) })
	})
}

// Whoever is on the path sends a relay frame on from a place of his own, and keeps the one that was sent. The frame verifies; in a clear
// session the path must not follow it, or packets would go there in clear.
func TestARelayFrameFromABarredEndpointMovesNoClearPath(t *testing.T) {
	public := netip.MustParseAddrPort("9.9.9.9:9338") // nothing leaves this process
	for _, clear := range []bool{true, false} {
		x := newCouple(t, byHand{clear: clear}, joinsAll)
		x.b.router.cfg.Bars = func(a netip.Addr) string {
			if clear && a == public.Addr() {
				return whyBarred
			}
			return ""
		}
		head := encap.RelayHead{Source: x.a.num(), Destination: x.b.num()}
		front, err := x.a.known(x.b).session.Current().SealRelay(make([]byte, 0, 2000), &head)
		check(t, err)
		home, before := x.path(), x.b.drops()
		x.take(public, append(front, x.seal(0, "relayed")...))
		if moved := x.path() != home; moved == clear {
			t.Errorf("clear %v: the path leads to %v", clear, x.path())
		}
		if got := grown(before, x.b.drops())[WrongEndpoint]; got == 1 != clear {
			t.Errorf("clear %v: %d frames refused", clear, got)
		}
	}
}

// restart makes a side run anew with another configuration.
func restart(s *side, edit func(*Config)) {
	s.stop()
	s.start(edit)
}
