package router

import (
	"testing"
	"time"
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
