package router

import (
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
)

// square is two nodes and two others, each of which can be their relay.
type square struct {
	*world
	a, b, r1, r2 *side
}

func newSquare(w *world, changes ...change) *square {
	s := &square{world: w, a: w.side(1, changes...), b: w.side(2, changes...), r1: w.side(3, changes...), r2: w.side(4, changes...)}
	w.join(w.sides...)
	time.Sleep(8 * time.Second) // link state gets around
	return s
}

// via is the name of the relay that s sends to p through; empty: straight, or not at all.
func (s *side) via(p *side) string {
	if relays := s.peer(p).Via; len(relays) > 0 {
		return relays[0]
	}
	return ""
}

// relays reports whether s sends to p through relays.
func (s *side) relays(p *side) bool { return s.via(p) != "" }

// outage runs a flow while something is done to it, and returns the longest time that nothing arrived in; the flow must go on.
func (x *square) outage(f *flow, during time.Duration) (longest time.Duration) {
	x.t.Helper()
	last := time.Now()
	for end := last.Add(during); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if len(f.to.take()) > 0 {
			longest, last = max(longest, time.Since(last)), time.Now()
		}
	}
	return max(longest, time.Since(last))
}

func TestAPathThatIsCutGoesThroughARelayAndIsDirectAgainWhenItIsRestored(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			x := newSquare(w, mode)
			f := w.flow(x.a, x.b, 10*time.Millisecond)
			born := x.a.peer(x.b).KeysBorn
			w.net.Cut(x.a.host, x.b.host)
			if d := x.outage(f, 5*time.Second); d > 3*time.Second {
				t.Errorf("nothing arrived for %v after the cut", d)
			}
			if s := x.a.peer(x.b); !s.Up || !s.IsRelayed() || s.KeysBorn != born {
				t.Errorf("b is %+v", s)
			}
			if !x.b.carries(x.a) {
				t.Error("nothing gets back")
			}
			w.net.Heal(x.a.host, x.b.host)
			healed := time.Now()
			if d := x.outage(f, 10*time.Second); d > 100*time.Millisecond {
				t.Errorf("nothing arrived for %v around the way back", d)
			}
			if x.a.via(x.b) != "" || x.b.via(x.a) != "" {
				t.Errorf("after %v the path is %+v", time.Since(healed), x.a.peer(x.b))
			}
			f.end()
			for _, s := range []*side{x.a, x.b} {
				if n := s.count(PathDown) + s.count(PathUp); n != 3 {
					t.Errorf("%s: %d events of peers that went down or came up, want the 3 of the start", s.name, n)
				}
			}
		})
	})
}

func TestWhenARelayDiesAnotherOneIsTaken(t *testing.T) {
	var outages []time.Duration
	for seed := range uint64(9) {
		bubble(t, simnet.Options{Seed: seed, Delay: 5 * time.Millisecond, Jitter: 2 * time.Millisecond}, func(t *testing.T, w *world) {
			x := newSquare(w)
			f := w.flow(x.a, x.b, 5*time.Millisecond)
			w.net.Cut(x.a.host, x.b.host)
			within(t, 4*time.Second, "relayed", func() bool { return x.a.relays(x.b) })
			time.Sleep(3*time.Second + time.Duration(seed)*61*time.Millisecond)
			relay := x.r1
			if x.a.via(x.b) == x.r2.name {
				relay = x.r2
			}
			relay.crash()
			outages = append(outages, x.outage(f, 6*time.Second))
			f.end()
			if !x.a.up(x.b) || x.a.count(PathDown) > 1 {
				t.Errorf("seed %d: b is %+v, and %d peers were down", seed, x.a.peer(x.b), x.a.count(PathDown))
			}
		})
	}
	slices.Sort(outages)
	t.Logf("nothing arrived for %v", outages)
	if m := outages[len(outages)/2]; m > 1500*time.Millisecond {
		t.Errorf("the median outage is %v", m)
	}
}

func TestARelayThatCarriesNothingOnIsLeftForAnother(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x := newSquare(w)
		f := w.flow(x.a, x.b, 10*time.Millisecond)
		w.net.Cut(x.a.host, x.b.host)
		within(t, 4*time.Second, "relayed", func() bool { return x.a.relays(x.b) })
		time.Sleep(2 * time.Second)
		hole := x.r1
		if x.a.via(x.b) == x.r2.name {
			hole = x.r2
		}
		hole.router.relaying.Store(&Relaying{Refuse: true}) // it does not say so
		if d := x.outage(f, 20*time.Second); d > 3*time.Second {
			t.Errorf("nothing arrived for %v", d)
		}
		f.end()
		if x.a.via(x.b) == hole.name {
			t.Error("the hole is the relay again")
		}
	})
}

func TestTwoNodesThatNeverReachEachOtherMeetThroughARelay(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, r := w.side(1), w.side(2), w.side(3)
		w.net.Cut(a.host, b.host)
		for _, s := range w.sides {
			s.set(w.sides...)
		}
		within(t, 10*time.Second, "all up", func() bool { return allUp(w.sides...) })
		if !a.carries(b) || !b.carries(a) {
			t.Error("nothing goes through")
		}
		check(t, a.router.SendGossip(b.id(), nil, []byte("gossip")))
		time.Sleep(50 * time.Millisecond)
		if got := b.heard(); len(got) != 1 || got[0].packet != "gossip" {
			t.Errorf("b heard %v", got)
		}
		if s := a.peer(b); s.Path() != "relay" || !slices.Equal(s.Via, []string{r.name}) || s.Endpoint.IsValid() || s.Why == "" || s.RTT == 0 {
			t.Errorf("b is %+v", s)
		}
	})
}

func TestAPathThatFlapsMovesFewTimes(t *testing.T) {
	for _, up := range []time.Duration{time.Second, 3 * time.Second, 4500 * time.Millisecond} {
		bubble(t, lan, func(t *testing.T, w *world) {
			x := newSquare(w)
			f := w.flow(x.a, x.b, 10*time.Millisecond)
			began, lost := time.Now(), time.Duration(0)
			for range 10 {
				w.net.Cut(x.a.host, x.b.host)
				lost += x.outage(f, 6*time.Second-up)
				w.net.Heal(x.a.host, x.b.host)
				lost += x.outage(f, up)
			}
			f.end()
			moves := x.a.count(PathRelayed) + x.a.count(PathDirect)
			t.Logf("up for %v: %d moves, at most %v lost, in %v", up, moves, lost, time.Since(began))
			if moves > 4 || lost > 10*time.Second {
				t.Errorf("up for %v of 6 s: the path moved %d times, at most %v were lost", up, moves, lost)
			}
		})
	}
}

func TestANodeThatRefusesIsNobodysRelay(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x := newSquare(w)
		x.r1.router.SetRelaying(Relaying{Refuse: true})
		time.Sleep(8 * time.Second)
		w.net.Cut(x.a.host, x.b.host)
		f := w.flow(x.a, x.b, 10*time.Millisecond)
		within(t, 4*time.Second, "relayed", func() bool { return x.a.relays(x.b) })
		if via := x.a.via(x.b); via != x.r2.name {
			t.Errorf("the relay is %s", via)
		}
		x.r2.router.SetRelaying(Relaying{Refuse: true})
		within(t, 15*time.Second, "down", func() bool { return !x.a.up(x.b) })
		x.r1.router.SetRelaying(Relaying{})
		within(t, 15*time.Second, "up again", func() bool { return x.a.up(x.b) })
		f.end()
	})
}

func TestANodeThatPrefersRelaysSendsStraightOnlyWhereThereIsNone(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x := newSquare(w)
		x.a.router.SetRelaying(Relaying{Prefer: true})
		within(t, 15*time.Second, "relayed", func() bool { return x.a.relays(x.b) })
		if !x.a.carries(x.b) || !x.b.carries(x.a) || x.b.relays(x.a) {
			t.Error("the other end sends straight, and both arrive")
		}
		f := w.flow(x.a, x.b, 10*time.Millisecond)
		x.r1.crash()
		x.r2.crash()
		within(t, 6*time.Second, "straight", func() bool { return x.a.up(x.b) && !x.a.relays(x.b) })
		f.end()
		x.a.router.SetRelaying(Relaying{})
		if _, e := x.a.last(PathDown); e.Peer == x.b.id() {
			t.Errorf("b went down: %s", e.Reason)
		}
	})
}

func TestFivePercentLossKillsNobody(t *testing.T) {
	bubble(t, simnet.Options{Seed: 11, Delay: 20 * time.Millisecond, Loss: 0.05}, func(t *testing.T, w *world) {
		x := newSquare(w)
		f := w.flow(x.a, x.b, 100*time.Millisecond)
		for range 600 {
			time.Sleep(time.Second)
			x.b.take()
		}
		f.end()
		for _, s := range w.sides {
			if n := s.count(PathDown); n != 0 {
				t.Errorf("%s: %d peers went down", s.name, n)
			}
		}
		if n := x.a.count(PathRelayed); n > 2 {
			t.Errorf("%d moves to relays", n)
		}
	})
}
