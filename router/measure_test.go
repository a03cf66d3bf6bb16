package router

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
)

// A peer that knows no link state is not measured, but its watch sends probes. Those that are not answered are forgotten, and a peer that
// was never reached says so.
func TestProbesOfAnOlderPeerAreForgotten(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, older), w.side(2, older)
		a.set(b)
		if why := a.peer(b).Reason; why != notCalled && why != "no call was answered yet" {
			t.Errorf("a new peer: %q", why)
		}
		time.Sleep(3 * time.Second)
		if s := a.peer(b); s.Reason != "no call was answered yet" || len(s.Tried) == 0 {
			t.Errorf("a peer that knows nothing of us: %q, tried %v", s.Reason, s.Tried)
		}
		b.set(a)
		within(t, 10*time.Second, "b is reached", func() bool { return a.up(b) })
		before := a.waits(b)
		for range 40 {
			w.net.Cut(a.host, b.host) // for one probe, which the burst behind it replaces
			a.router.Doubt(b.id())
			time.Sleep(50 * time.Millisecond)
			w.net.Heal(a.host, b.host)
			time.Sleep(2 * time.Second)
		}
		if !a.up(b) || before > 2 || a.waits(b) > 2 {
			t.Errorf("up %v; %d probes wait for answers at first, %d after 40 that were lost", a.up(b), before, a.waits(b))
		}
	})
}

// waits is how many probes of p's direct link wait for an answer.
func (s *side) waits(p *side) (n int) {
	_ = s.router.call(func() { n = s.router.peers[p.id()].meter.Waiting() })
	return n
}

// A peer was stopped, by a signal or with its machine, and answers what has waited for it: that says nothing of round trips.
func TestAnswersThatWaitedAtAStoppedPeerAreNoRoundTrips(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		var asked uint64
		p := a.internal(b)
		check(t, a.router.call(func() { asked = p.probes.next(a.router.now()) }))
		w.net.Cut(a.host, b.host)
		a.router.Doubt(b.id())
		within(t, 5*time.Second, "b is down", func() bool { return !a.up(b) })
		time.Sleep(time.Second)
		w.net.Heal(a.host, b.host)
		check(t, a.router.call(func() {
			a.router.heardFrom(p, b.endpoint(), answered)
			a.router.takeReply(p, b.endpoint(), asked, a.router.now())
		}))
		time.Sleep(100 * time.Millisecond)
		if s := a.peer(b); !s.Up || s.RTT == 0 || s.RTT > 10*time.Millisecond {
			t.Errorf("up %v, round trip %v over links of 1 ms", s.Up, s.RTT)
		}
	})
}

// The loss of a relayed path is that of the probes from end to end, and afterwards again that of the direct link.
func TestTheLossesOfARelayedPathAreThoseOfItsProbes(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x := newSquare(w)
		if loss := x.a.peer(x.b).Loss; loss != 0 {
			t.Errorf("the direct link loses %v", loss)
		}
		w.net.Cut(x.a.host, x.b.host)
		within(t, 20*time.Second, "relayed", func() bool { return x.a.relays(x.b) && x.b.relays(x.a) })
		lost, _ := w.stream(x.a, x.b, 20*time.Second)
		if loss := x.a.peer(x.b).Loss; loss != 0 || lost > 0 {
			t.Errorf("a path that loses %d packets loses a share of %v of probes", lost, loss)
		}
		number := 0
		x.a.tap.mu.Lock()
		x.a.tap.take = func(f []byte) bool { // one probe of five; frames with packets are longer
			if encap.Type(f[0]&15) != encap.Relay || len(f) > 300 {
				return false
			}
			number++
			return number%5 == 0
		}
		x.a.tap.mu.Unlock()
		w.stream(x.a, x.b, time.Minute)
		if loss := x.a.peer(x.b).Loss; loss < 0.1 || loss > 0.3 || !x.a.relays(x.b) {
			t.Errorf("a path that loses one probe of five loses %v; it is %+v", loss, x.a.peer(x.b))
		}
		w.net.Heal(x.a.host, x.b.host)
		within(t, 20*time.Second, "straight", func() bool { return !x.a.relays(x.b) })
		if loss := x.a.peer(x.b).Loss; loss != 0 {
			t.Errorf("the direct link loses %v", loss)
		}
	})
}

// What was measured on the way to where the peer was says nothing of the way to where it is.
func TestAPeerThatHasMovedIsMeasuredAnew(t *testing.T) {
	handPair(t, func(t *testing.T, a *side, p *peer) {
		a.router.takeRoundTrip(p, p.probes.next(a.router.now()), p.at(), time.Millisecond, a.router.now())
		if p.meter.RoundTrip() != time.Millisecond {
			t.Fatal("not measured")
		}
		to := encap.Endpoint{Addr: netip.MustParseAddrPort("203.0.113.2:1000")}
		a.router.heardDirect(p, to, heard)
		if p.at() != to || p.meter.RoundTrip() != 0 {
			t.Errorf("at %v: %v", p.at().Addr, p.meter.RoundTrip())
		}
	})
}
