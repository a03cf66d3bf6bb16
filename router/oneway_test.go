package router

import (
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
)

func TestAPeerWhoseCallsArriveWhileOurAnswersAreLostIsToldFromOneThatIsGone(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, older), w.side(2, older)
		w.join(a, b)
		if s := b.peer(a); s.OneWay.Calls != 0 {
			t.Errorf("while all is well: %+v", s.OneWay)
		}
		w.net.CutOneWay(b.host, a.host)
		within(t, time.Minute, "b knows that its answers are lost", func() bool {
			return !b.up(a) && b.peer(a).OneWay.Endpoint == a.endpoint().Addr
		})
		if s := a.peer(b); s.Up || s.OneWay.Calls != 0 || len(s.Tried) == 0 {
			t.Errorf("a, which hears nothing, says %+v", s)
		}
		w.net.Heal(a.host, b.host)
		within(t, 20*time.Second, "both are up", func() bool { return allUp(a, b) })
		if s := b.peer(a); s.OneWay.Calls != 0 {
			t.Errorf("after it: %+v", s.OneWay)
		}
	})
}

func TestAPeerThatIsGoneIsNotOneWhoseAnswersAreLost(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, older), w.side(2, older)
		w.join(a, b)
		w.net.Cut(a.host, b.host)
		time.Sleep(time.Minute)
		for _, s := range []PeerStatus{a.peer(b), b.peer(a)} {
			if s.Up || s.OneWay.Calls != 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}

// A NAT of Linux forgets a mapping of UDP after 30 s without a packet (nf_conntrack_udp_timeout).
func TestAnIdlePathKeepsTheMappingOfANATOnEitherSide(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, older), w.side(2, older)
		w.join(a, b)
		for range 20 {
			for _, s := range []*side{a, b} {
				s.tap.record()
			}
			time.Sleep(25 * time.Second)
			for _, s := range []*side{a, b} {
				if len(s.tap.frames()) == 0 {
					t.Fatalf("%s sent nothing for 25 s", s.name)
				}
			}
		}
	})
}

// The end whose frames are lost hears the other one all the while, first its packets and then its probes.
func TestBothEndsLeaveALinkThatFailsInOneDirection(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x := newSquare(w)
		there, back := w.flow(x.a, x.b, 10*time.Millisecond), w.flow(x.b, x.a, 10*time.Millisecond)
		time.Sleep(3 * time.Second)
		w.net.CutOneWay(x.a.host, x.b.host)
		if d := x.outage(there, 5*time.Second); d > 1500*time.Millisecond {
			t.Errorf("nothing arrived for %v", d)
		}
		for s, other := range map[*side]*side{x.a: x.b, x.b: x.a} {
			if !s.relays(other) || s.count(PathDown) != 0 {
				t.Errorf("%s reaches the other end through %q, and %d peers were down", s.name, s.via(other), s.count(PathDown))
			}
		}
		w.net.Heal(x.a.host, x.b.host)
		if d := x.outage(there, 10*time.Second); d > 100*time.Millisecond || x.a.relays(x.b) || x.b.relays(x.a) {
			t.Errorf("restored: nothing arrived for %v, relayed: %v and %v", d, x.a.relays(x.b), x.b.relays(x.a))
		}
		there.end()
		back.end()
	})
}

// A burst that one end sends over a long link has several probes before the first answer is there. It makes the other end ask as little as
// any other probe does: else the two would ask each other for ever.
func TestTheBurstOfOneEndOfALongLinkIsNotAnsweredByAnother(t *testing.T) {
	bubble(t, simnet.Options{Delay: 150 * time.Millisecond}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		time.Sleep(3 * time.Second)
		probes := func(s, to *side) (n uint64) {
			p := s.internal(to)
			check(t, s.router.call(func() { n = p.probes.last }))
			return n
		}
		var longest uint64
		for range 5 {
			ofA, ofB := probes(a, b), probes(b, a)
			a.router.Doubt(b.id())
			time.Sleep(2 * time.Second)
			mine, other := probes(a, b)-ofA, probes(b, a)-ofB // and one that measures losses, each
			if longest = max(longest, mine); mine > 5 || other > 2 {
				t.Errorf("a sent %d probes, b %d", mine, other)
			}
		}
		if longest < 3 {
			t.Errorf("no burst of a had more than %d probes", longest)
		}
	})
}
