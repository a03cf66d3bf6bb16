package router

import (
	"testing"
	"time"
)

// crossed is a square whose ends go through different relays, a through r1 and b through r2, since the way between them is cut. By these
// numbers the two choose so.
func crossed(w *world) *square {
	w.t.Helper()
	x := &square{world: w, a: w.side(5), b: w.side(2), r1: w.side(3), r2: w.side(4)}
	w.join(w.sides...)
	time.Sleep(8 * time.Second) // link state gets around
	w.net.Cut(x.a.host, x.b.host)
	within(w.t, 20*time.Second, "relayed", func() bool { return x.a.relays(x.b) && x.b.relays(x.a) })
	time.Sleep(5 * time.Second)
	if a, b := x.a.via(x.b), x.b.via(x.a); a != x.r1.name || b != x.r2.name {
		w.t.Fatalf("a goes through %s, and b through %s", a, b)
	}
	return x
}

func TestAWayThatWorksIsNotLeftBecauseTheWayOfTheAnswerDoesNot(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x := crossed(w)
		there, back := w.flow(x.a, x.b, 10*time.Millisecond), w.flow(x.b, x.a, 10*time.Millisecond)
		time.Sleep(time.Second)
		collect(there, back)
		lost, moves := back.lost(), x.b.count(PathRelayed)
		w.net.CutOneWay(x.r1.host, x.b.host)
		within(t, 5*time.Second, "a goes through the other relay", func() bool {
			collect(there, back)
			return x.a.via(x.b) == x.r2.name
		})
		if n := x.b.count(PathRelayed); n != moves || x.b.via(x.a) != x.r2.name {
			t.Errorf("b has moved, to %s", x.b.via(x.a))
		}
		there.end()
		back.end()
		collect(there, back)
		if n := back.lost() - lost; n > 0 {
			t.Errorf("%d packets of b were lost", n)
		}
	})
}

func TestAnIdlePathThroughARelayCostsLittle(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x := crossed(w)
		a := x.a.internal(x.b)
		before := func() (n uint64) {
			check(t, x.a.router.call(func() { n = a.probes.last }))
			return n
		}
		time.Sleep(2 * time.Minute)
		from := before()
		time.Sleep(time.Hour)
		if n := before() - from; n > 7*60 {
			t.Errorf("%d probes in an hour", n)
		}
		w.net.Heal(x.a.host, x.b.host)
		within(t, time.Minute, "straight", func() bool { return !x.a.relays(x.b) })
	})
}
