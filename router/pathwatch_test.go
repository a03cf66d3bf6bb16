package router

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// handPair is two nodes by hand with a session, and what the first knows of the other, in virtual time.
func handPair(t *testing.T, test func(t *testing.T, a *side, p *peer)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
		introduce(t, a, b)
		time.Sleep(time.Hour)
		test(t, a, a.known(b))
	})
}

func TestAnAnswerToAProbeOfBeforeSaysNothingOfARoute(t *testing.T) {
	handPair(t, func(t *testing.T, a *side, p *peer) {
		now := a.router.now()
		p.path.Store(&path{endpoint: p.relayedAt, route: new(route)})
		p.relay.first = 10
		a.router.takeRelayedReply(p, 9, time.Millisecond, now)
		if !p.relay.heard.IsZero() || p.relay.proven {
			t.Error("the answer to a probe that another route took counts")
		}
		a.router.takeRelayedReply(p, 10, time.Millisecond, now)
		if p.relay.heard != now || !p.relay.proven {
			t.Error("the answer to its own first probe does not count")
		}
	})
}

func TestWhatWaitsAtANodeThatIsBehindIsNoRoundTripOfARoute(t *testing.T) {
	handPair(t, func(t *testing.T, a *side, p *peer) {
		p.path.Store(&path{endpoint: p.relayedAt, route: new(route)})
		for id, c := range []struct{ late, took, want time.Duration }{
			{0, time.Millisecond, time.Millisecond},
			{time.Second, 4 * time.Second, time.Millisecond},
		} {
			a.router.lag.note(c.late, a.router.now())
			a.router.takeRelayedReply(p, uint64(id+1), c.took, a.router.now())
			if p.relay.rtt != c.want {
				t.Errorf("an answer after %v, %v late: round trip %v", c.took, c.late, p.relay.rtt)
			}
		}
		if got := a.router.lag.patience(p.relay.rtt); got != 4*time.Second {
			t.Errorf("patience %v while answers take 4 s", got)
		}
	})
}

func TestAPeerThatPausesIsNotLeftForAnotherWay(t *testing.T) {
	handPair(t, func(t *testing.T, a *side, p *peer) {
		p.link.Spare = true
		p.link.Doubt(a.router.now())
		for range 4 {
			time.Sleep(100 * time.Millisecond)
			p.link.Step(a.router.now(), time.Time{}, time.Time{}, 0)
		}
		if a.router.fitness(p, a.router.now()).up {
			t.Fatal("a peer that does not answer is not left")
		}
		if p.pausing = true; !a.router.fitness(p, a.router.now()).up {
			t.Error("one that pauses is left")
		}
	})
}

func TestAPeerThatIsHeardStraightWhileRelayedIsAskedNowAndThen(t *testing.T) {
	handPair(t, func(t *testing.T, a *side, p *peer) {
		asked := func() int {
			before := a.sink(0).frames
			for range 10 {
				a.router.tryDirect(p, p.at())
			}
			return a.sink(0).frames - before
		}
		if first, again := asked(), asked(); first != 1 || again != 0 {
			t.Errorf("%d probes, and %d at once after them", first, again)
		}
		time.Sleep(a.router.timing.CallMin)
		if n := asked(); n != 1 {
			t.Errorf("%d probes later", n)
		}
	})
}

// The first answer from where a link leads now takes a round trip, which may be longer than a burst of probes.
func TestALinkThatIsMovedIsNotTakenDownBeforeAnAnswerCanBeThere(t *testing.T) {
	handPair(t, func(t *testing.T, a *side, p *peer) {
		p.rtt = 1200 * time.Millisecond
		to := encap.Endpoint{Addr: netip.MustParseAddrPort("203.0.113.2:1000")}
		a.router.obey(p, to)
		first := p.probes.last
		for range 13 {
			time.Sleep(100 * time.Millisecond)
			a.router.stepPath(p, a.router.now())
		}
		if !p.link.Up() {
			t.Fatal("it is down")
		}
		a.router.takeReply(p, to, first, a.router.now())
		if p.rtt != 1300*time.Millisecond {
			t.Errorf("round trip %v after the first answer, which took 1.3 s", p.rtt)
		}
	})
}

func TestARouteThatFailsAgainIsNamedOnce(t *testing.T) {
	handPair(t, func(t *testing.T, a *side, p *peer) {
		p.relay.names = []trust.Fingerprint{{1}}
		for range 3 {
			a.router.failRoute(p, a.router.now())
			time.Sleep(time.Minute)
			p.relay.failed.Expire(a.router.now())
		}
		if n := len(p.relay.vain); n != 1 {
			t.Errorf("it is named %d times", n)
		}
	})
}
