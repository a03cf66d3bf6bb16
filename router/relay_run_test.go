package router

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
)

// parted is three routers that run: a and c each reach b, and not each other.
func (w *world) parted(mode change) (a, b, c *side) {
	a, b, c = w.side(1, mode), w.side(2, mode), w.side(3, mode)
	w.net.Cut(a.host, c.host)
	for _, s := range []*side{a, b, c} {
		s.set(a, b, c)
	}
	within(w.t, 5*time.Second, "both reach b", func() bool { return allUp(a, b) && allUp(b, c) })
	return a, b, c
}

// route gives s a way to p through relays that handshakes take.
func (s *side) route(p *side, relays ...*side) {
	s.t.Helper()
	check(s.t, s.router.call(func() {
		to := s.known(p)
		w, err := s.router.newRoute(to, s.known(relays[0]), numbersOf(relays[1:])...)
		check(s.t, err)
		s.router.reroute(to, w)
	}))
}

// call begins a handshake with p through relays.
func (s *side) call(p *side) {
	s.t.Helper()
	check(s.t, s.router.call(func() {
		to := s.known(p)
		s.router.initiate(to, []encap.Endpoint{to.relayedAt}, s.router.now())
	}))
}

func TestTwoNodesMeetThroughARelayThatCannotRead(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b, c := w.parted(mode)
			a.route(c, b)
			c.route(a, b)
			a.call(c)
			within(t, time.Second, "a and c have a path", func() bool { return a.up(c) && c.up(a) })
			if !a.carries(c) || !c.carries(a) {
				t.Fatalf("a packet is lost: dropped %v, %v, %v", a.drops(), b.drops(), c.drops())
			}
			if got := b.payloads(); len(got) > 0 {
				t.Errorf("the relay's device gets %q", got)
			}
			if n := b.router.Counters().Relayed.Packets; n == 0 {
				t.Error("nothing was relayed")
			}
			if p := a.peer(c); p.RTT < 4*time.Millisecond || p.RTT > 8*time.Millisecond {
				t.Errorf("the round trip by two links of 1 ms is %v", p.RTT)
			}
			if p := a.peer(c); p.SeenAs.IsValid() {
				t.Errorf("c sees a at %s", p.SeenAs)
			}
		})
	})
}

func TestGossipAndGoodbyesGoThroughRelays(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.parted(func(*side) {})
		a.route(c, b)
		c.route(a, b)
		a.call(c)
		within(t, time.Second, "a and c have a path", func() bool { return a.up(c) && c.up(a) })
		check(t, a.router.SendGossip(c.id(), nil, []byte("gossip")))
		within(t, time.Second, "gossip heard", func() bool { return len(c.heard()) == 1 })
		a.stop()
		within(t, 100*time.Millisecond, "c knows that a has stopped", func() bool { return c.peer(a).Away })
	})
}

func TestACookieIsAskedForAndGivenThroughARelay(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.parted(func(*side) {})
		a.route(c, b)
		c.route(a, b)
		c.router.limiter.loaded.Store(int64(time.Hour))
		a.call(c)
		within(t, time.Second, "a and c have a path under load", func() bool { return a.up(c) && c.up(a) })
		if n := c.router.limiter.replied.Load(); n != 1 {
			t.Errorf("%d cookies were given", n)
		}
	})
}

// Two nodes that have never reached each other straight do not trouble the control goroutine with each frame, whatever number a relay
// gives as that of the source.
func TestFramesThroughRelaysAreNoNewsToControl(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.parted(func(*side) {})
		a.route(c, b)
		c.route(a, b)
		a.call(c)
		within(t, time.Second, "a and c have a path", func() bool { return a.up(c) && c.up(a) })
		p := c.internal(a)
		if p.direct.Load() != nil {
			t.Fatal("they have reached each other straight")
		}
		for _, from := range []encap.Endpoint{p.relayedAt, encap.RelayedEndpoint(nobody)} {
			if p.moved(nil, from) {
				t.Errorf("a frame from %v is news", from.Addr)
			}
		}
		if !p.moved(nil, a.endpoint()) {
			t.Error("a frame that came straight is none")
		}
	})
}

// A path that leads straight does not move to a relay because a frame came through one, nor back.
func TestWhatComesThroughARelayMovesNoPath(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b, c := w.side(1, mode), w.side(2, mode), w.side(3, mode)
			w.join(a, b, c)
			a.sendThrough(c, b)
			if !a.carries(c) {
				t.Fatalf("a packet is lost: dropped %v, %v, %v", a.drops(), b.drops(), c.drops())
			}
			synctest.Wait()
			if n := b.router.Counters().Relayed.Packets; n == 0 {
				t.Error("nothing was relayed")
			}
			if p := c.peer(a); p.Endpoint != a.endpoint().Addr {
				t.Errorf("c reaches a at %s", p.Endpoint)
			}
		})
	})
}

func TestANodeThatRestartsIsFoundAgainThroughARelayByFramesToIt(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b, c := w.parted(mode)
			a.route(c, b)
			c.route(a, b)
			a.call(c)
			within(t, time.Second, "a and c have a path", func() bool { return a.up(c) && c.up(a) })
			c.crash()
			c.start()
			c.set(a, b, c)
			within(t, 5*time.Second, "b and c meet", func() bool { return c.up(b) && b.up(c) && b.carries(c) })
			c.route(a, b)
			if c.up(a) {
				t.Fatal("c has met a already")
			}
			took := within(t, time.Second, "c has met a again", func() bool {
				a.inject(udp(pod(1), pod(3), "lost"))
				return c.up(a)
			})
			if took > answerPause+50*time.Millisecond { // c may have called a in vain just before
				t.Errorf("that took %v", took)
			}
			if !a.carries(c) {
				t.Errorf("a packet is lost: dropped %v, %v, %v", a.drops(), b.drops(), c.drops())
			}
		})
	})
}
