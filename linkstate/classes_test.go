package linkstate

import (
	"slices"
	"testing"
	"time"
)

// wandering has the round trip of the link of 0 and 1 change its class, by more than hysteresis, at each of so many measurements.
func (w *world) wandering(measurements int) {
	for i := range measurements {
		w.links[[2]int{0, 1}].rtt = []time.Duration{6 * time.Millisecond, 11 * time.Millisecond}[i%2]
		measureAll(w)
		w.run(5 * time.Second)
	}
}

func TestALinkThatWandersBetweenClassesCostsAPageAMinute(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.mesh(6 * time.Millisecond)
	w.run(time.Minute)
	pages := signed(w.nodes[0])
	w.wandering(60)
	if got := pages(); got < 5 || got > classBurst+5+1 {
		t.Errorf("%d pages in 5 min, want %d at once and one a minute", got, classBurst)
	}
	w.run(2 * classEvery)
	w.mustSayAll(t)
}

// What matters more is not kept waiting by it, and brings along what is so by then.
func TestGainsAndLossesAreSaidWhileALinkWanders(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.mesh(6 * time.Millisecond)
	w.run(time.Minute)
	w.wandering(12)
	pages, l := signed(w.nodes[0]), w.links[[2]int{0, 2}]
	for _, up := range []bool{false, true} {
		l.up = up
		w.wandering(2)
		_, said := w.nodes[1].engine.origins[w.nodes[0].id.Fingerprint().Number()].to(w.nodes[2].id.Fingerprint().Number())
		if got := pages(); said != up || got < 1 || got > 2 {
			t.Errorf("the link is up: %v; said %v, in %d pages", up, said, got)
		}
	}
}

// A link counts as long until it is measured; that it is, is no change of its class.
func TestTheFirstMeasurementOfALinkIsSaidWhileAnotherWanders(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.mesh(6 * time.Millisecond)
	l := w.links[[2]int{0, 2}]
	l.up = false
	w.run(time.Minute)
	w.wandering(12)
	l.up, l.rtt = true, 0
	w.wandering(2)
	l.rtt = 3 * time.Millisecond
	w.wandering(2)
	if q, up := w.nodes[1].engine.origins[w.nodes[0].id.Fingerprint().Number()].to(w.nodes[2].id.Fingerprint().Number()); !up || q.rtt != 3 {
		t.Errorf("said: up %v, %v", up, q.rtt)
	}
}

func TestALinkThatIsNotMeasuredAnyMoreKeepsItsClass(t *testing.T) {
	var l ownLink
	now := time.Unix(1000, 0)
	l.measure(Link{RTT: 6 * time.Millisecond, Up: true}, now)
	if _, classed := l.measure(Link{Up: true}, now); classed || l.quality.rtt != 4 {
		t.Errorf("class %v", l.quality.rtt)
	}
}

func TestAGainWaitsForOthersThoughAClassHasWaitedForLong(t *testing.T) {
	w := newWorld(t, 4, 1)
	w.mesh(6 * time.Millisecond)
	for n := 2; n < 4; n++ {
		w.links[[2]int{0, n}].up = false
	}
	w.run(time.Minute)
	w.wandering(11)
	pages := signed(w.nodes[0])
	for n := 2; n < 4; n++ {
		w.links[[2]int{0, n}].up = true
		w.measure(0)
		w.run(settle / 2)
	}
	w.run(settle)
	said := slices.Collect(w.nodes[1].engine.origins[w.nodes[0].engine.number].peers())
	if got := pages(); got != 1 || len(said) != 3 {
		t.Errorf("%d pages for two links that came up within %v, and %d links said", got, settle, len(said))
	}
}
