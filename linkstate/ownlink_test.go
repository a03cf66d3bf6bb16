package linkstate

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sayable is how long after a measurement all know what matters of it, on links without delay.
const sayable = spacing + settle + 100*time.Millisecond

// jitterAll has all links measured anew, at each end for itself.
func (w *world) jitterAll(draw func() time.Duration) {
	for i, n := range w.nodes {
		n.rtt = map[int]time.Duration{}
		for j := range w.nodes {
			n.rtt[j] = draw()
		}
		w.measure(i)
	}
}

func TestLinksThatVaryByLessThanAnybodyMovesForMakeNoPages(t *testing.T) {
	w := newWorld(t, 5, 1)
	w.mesh(300 * time.Microsecond)
	w.run(time.Minute)
	pages, generation := signed(w.nodes[0]), w.nodes[0].engine.Generation()
	trips := []time.Duration{200 * time.Microsecond, 700 * time.Microsecond, 1900 * time.Microsecond}
	for range 90 { // until shortly before the refresh
		w.jitterAll(func() time.Duration { return trips[w.rand.IntN(len(trips))] })
		w.run(5 * time.Second)
	}
	if got := pages(); got != 0 {
		t.Errorf("%d pages were signed", got)
	}
	if got := w.nodes[0].engine.Generation(); got != generation {
		t.Errorf("routes were to be computed anew %d times", got-generation)
	}
	w.run(refreshEvery)
	if got := pages(); got != 1 {
		t.Errorf("%d pages were signed anew, want one", got)
	}
	w.mustSayAll(t)
}

// mustSayAll checks that all know of each link exactly what its ends measured last.
func (w *world) mustSayAll(t *testing.T) {
	t.Helper()
	for i, n := range w.nodes {
		for _, l := range n.engine.author.links {
			for _, other := range w.nodes {
				said, up := other.engine.origins[n.id.Fingerprint().Number()].to(l.number)
				if !up || said != l.latest {
					t.Errorf("a link of %d: measured %v, %v; said %v, %v (up: %v)", i, l.latest.rtt, l.latest.loss, said.rtt, said.loss, up)
				}
			}
		}
	}
}

func TestWhatMayMoveAPathIsKnownToAllSoon(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, 4, 1)
		w.measured = true
		w.mesh(300 * time.Microsecond)
		w.run(time.Minute)
		trips := rapid.SampledFrom([]time.Duration{0, 100, 600, 1300, 2500, 6000, 20000, 100000}) // µs; 0: not known
		for range rapid.IntRange(1, classBurst).Draw(rt, "measurements") {
			w.jitterAll(func() time.Duration { return trips.Draw(rt, "rtt") * time.Microsecond })
			w.run(sayable)
			w.mustKnowWays(rt)
		}
	})
}

// mustKnowWays compares what the best ways cost, as all nodes know it, with what they do by the last measurements: the difference is what
// nobody moves for, together for both of two ways.
func (w *world) mustKnowWays(t *rapid.T) {
	for from, n := range w.nodes {
		for to, far := range w.nodes {
			if from == to {
				continue
			}
			best, _, _ := n.engine.Routes(far.id.Fingerprint())
			least := time.Hour
			w.paths(from, to, func(_ []int, cost time.Duration) { least = min(least, cost) })
			if off := (best.Cost - least).Abs(); off >= betterBy/2 {
				t.Errorf("%d to %d: the best way costs %v, and is known to cost %v", from, to, least, best.Cost)
			}
		}
	}
}
