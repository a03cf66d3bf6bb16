package router

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/pmtu"
)

func addrPort(i int) netip.AddrPort { return netip.AddrPortFrom(addr4(i), testPort) }

// probing makes a node look for what its paths carry.
func probing(s *side) {
	parting(s)
	s.probes = true
}

// shrink makes the way from a node lose packets that are longer than mtu, without a word.
func (p *tap) shrink(mtu int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take = func(f []byte) bool { return len(f)+headers4 > mtu }
}

// long is a packet from one node to another of n bytes.
func long(from, to, n int) []byte { return udp(pod(from), pod(to), string(make([]byte, n-28))) }

// stream sends long packets for some time, one in ten milliseconds, and returns how many of them did not arrive, and how long
// after its beginning the last of these was sent.
func (w *world) stream(a, b *side, d time.Duration) (lost int, last time.Duration) {
	w.t.Helper()
	began := time.Now()
	b.take()
	for time.Since(began) < d {
		mtu := min(max(a.peer(b).InnerMTU, 1280), 1440) // as the kernel's route has it
		a.inject(long(a.number, b.number, mtu))
		sent := time.Since(began)
		time.Sleep(10 * time.Millisecond)
		if len(b.take()) == 0 {
			lost, last = lost+1, sent
		}
	}
	return lost, last
}

func (s *side) pathMTU(p *side) (int, pmtu.Known) {
	status := s.peer(p)
	return status.PathMTU, status.MTUKnown
}

func TestAPathIsVerifiedInBothDirectionsOnItsOwn(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, probing), w.side(2, probing)
		b.tap.shrink(1400)
		w.join(a, b)
		within(t, 5*time.Second, "both verified", func() bool {
			to, known := a.pathMTU(b)
			back, knownBack := b.pathMTU(a)
			return to == 1500 && known == pmtu.Verified && back == 1400 && knownBack == pmtu.Verified
		})
		if s := a.peer(b); s.InnerMTU != 1500-encap.SealedOverhead4 {
			t.Errorf("inner packets of %d bytes", s.InnerMTU)
		}
	})
}

func TestAPathThatShrinksWithoutAWordLosesPacketsForTwoSecondsAtMost(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, probing), w.side(2, probing)
		w.join(a, b)
		if lost, _ := w.stream(a, b, 3*time.Second); lost > 0 {
			t.Fatalf("%d packets are lost on a good path", lost)
		}
		a.tap.shrink(1400)
		lost, last := w.stream(a, b, 10*time.Second)
		if lost == 0 || last > 2*time.Second {
			t.Errorf("%d packets were lost, the last after %v", lost, last)
		}
		if mtu, known := a.pathMTU(b); mtu != 1400 || known != pmtu.Verified || a.count(PathResized) != 2 {
			t.Errorf("the path is taken for %d, %s, after %d events", mtu, known, a.count(PathResized))
		}
		a.tap.shrink(1500)
		if lost, _ := w.stream(a, b, 10*time.Second); lost > 0 {
			t.Errorf("%d packets were lost while the path grew", lost)
		}
		if mtu, known := a.pathMTU(b); mtu != 1500 || known != pmtu.Verified {
			t.Errorf("ten seconds after it grew the path is taken for %d, %s", mtu, known)
		}
		if c := a.router.Counters(); c.Split.Out == 0 {
			t.Error("nothing went in parts")
		}
	})
}

func TestALinkThatShrinksIsNoticedByWhatTheKernelRefuses(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, probing), w.side(2, probing)
		w.join(a, b)
		a.tap.refuse(1300)
		if lost, last := w.stream(a, b, 3*time.Second); lost > 0 {
			t.Errorf("%d packets were lost, the last after %v", lost, last)
		}
		if mtu, known := a.pathMTU(b); mtu > 1300 || mtu < 1290 || known != pmtu.Verified {
			t.Errorf("the path is taken for %d, %s", mtu, known)
		}
		a.tap.refuse(1000) // less than is taken to pass before any probe was answered
		if lost, last := w.stream(a, b, 3*time.Second); lost > 0 {
			t.Errorf("below the base %d packets were lost, the last after %v", lost, last)
		}
		if d := a.drops(); d[TooBig] > 0 {
			t.Errorf("%d were dropped", d[TooBig])
		}
	})
}

// refuse makes the kernel refuse packets that are longer than mtu.
func (p *tap) refuse(mtu int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.longest = mtu - headers4
}

func TestANodeThatDoesNotProbeBelievesTheLinks(t *testing.T) {
	for name, modes := range map[string][2]change{
		"an older peer":  {probing, func(*side) {}},
		"an older node":  {func(s *side) { s.probes = true }, probing},
		"probes are off": {parting, probing},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, w *world) {
				a, b := w.side(1, modes[0], func(s *side) { s.local.Settings.MTU = 1450 }), w.side(2, modes[1])
				w.join(a, b)
				if mtu, known := a.pathMTU(b); mtu != 1450 || known != pmtu.Link {
					t.Errorf("the path is taken for %d, %s", mtu, known)
				}
			})
		})
	}
}

func TestAPeerThatKnowsNoPartsGetsNoneAndNoProbes(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, probing), w.side(2)
		a.tap.record()
		a.tap.shrink(1400)
		w.join(a, b)
		w.stream(a, b, 2*time.Second)
		for _, f := range a.tap.frames() {
			if f[0]&15 == byte(encap.Part) || f[0]&15 == byte(encap.Control) && len(f) > maxControlFrame {
				t.Fatalf("a frame of type %d and %d bytes goes to an older peer", f[0]&15, len(f))
			}
		}
	})
}

func TestTurningProbesOffAndOnTakesEffectAtOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, probing), w.side(2, probing)
		w.join(a, b)
		a.router.SetMTUProbes(false)
		within(t, time.Second, "off", func() bool { _, known := a.pathMTU(b); return known == pmtu.Link })
		a.router.SetMTUProbes(true)
		within(t, time.Second, "on", func() bool { _, known := a.pathMTU(b); return known == pmtu.Verified })
	})
}

func TestTheNodeTellsWhatTheLinksTake(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, probing), w.side(2, probing)
		w.join(a, b)
		b.config.LinkMTU = 1350
		a.set(b)
		within(t, time.Second, "1350", func() bool { mtu, known := a.pathMTU(b); return mtu == 1350 && known == pmtu.Verified })
		b.config.LinkMTU = 1500
		a.set(b)
		within(t, time.Second, "1500", func() bool { mtu, known := a.pathMTU(b); return mtu == 1500 && known == pmtu.Verified })
	})
}

func TestAnIdleMeshSendsNoProbesOfSizes(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, probing), w.side(2, probing)
		w.join(a, b)
		a.tap.record()
		time.Sleep(5 * time.Minute)
		for _, f := range a.tap.frames() {
			if len(f) > maxControlFrame {
				t.Fatalf("a frame of %d bytes on an idle path", len(f))
			}
		}
	})
}

func TestAPathThroughRelaysIsProbedFromEndToEnd(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			x := newSquare(w, mode, probing)
			x.r1.tap.shrink(1400)
			x.r2.tap.shrink(1400)
			w.net.Cut(x.a.host, x.b.host)
			within(t, 20*time.Second, "relayed", func() bool { return x.a.relays(x.b) && x.b.relays(x.a) })
			time.Sleep(100 * time.Millisecond)
			if lost, _ := w.stream(x.a, x.b, 5*time.Second); lost > 0 {
				t.Errorf("%d packets were lost", lost)
			}
			mtu, known := x.a.pathMTU(x.b)
			if mtu > 1400 || mtu < 1380 || known != pmtu.Verified {
				t.Errorf("the path is taken for %d, %s", mtu, known)
			}
			w.net.Heal(x.a.host, x.b.host)
			within(t, 20*time.Second, "straight again, with the MTU of before", func() bool {
				mtu, known := x.a.pathMTU(x.b)
				return !x.a.relays(x.b) && mtu == 1500 && known == pmtu.Verified
			})
		})
	})
}
