package sim

import (
	"testing"
	"time"
)

// The tests of a hundred nodes use one cluster, one after the other. All links have a round trip of 50 ms.
func TestAHundredNodes(t *testing.T) {
	const n = 100
	w := newWorld(t, Config{Nodes: n, Rekey: time.Hour})
	startAll(w, 2*time.Second)
	cold := 2*time.Second + mustConverge(t, w, 30*time.Second)
	t.Logf("cold start within 2 s: all reach all %v after the first started", cold)
	if cold > 15*time.Second {
		t.Errorf("cold start took %v, want at most 15 s", cold)
	}
	w.Run(150 * time.Second) // in which new links are measured more often
	t.Run("at rest little is said", func(t *testing.T) { checkRest(t, w, time.Minute) })
	t.Run("one that joins is reached by all", func(t *testing.T) { checkJoin(t, w) })
}

// checkRest measures what a node sends while nothing happens.
func checkRest(t *testing.T, w *World, span time.Duration) {
	var before [kindsEnd]uint64
	for _, n := range w.nodes {
		for k := range kindsEnd {
			before[k] += n.Sent(k)
		}
	}
	w.Run(span)
	sum := 0.0
	for k := range kindsEnd {
		total := uint64(0)
		for _, n := range w.nodes {
			total += n.Sent(k)
		}
		rate := float64(total-before[k]) / span.Seconds() / float64(len(w.nodes))
		sum += rate
		t.Logf("%v: %.0f B/s", k, rate)
	}
	t.Logf("in all: %.0f B/s", sum)
	if sum > 4000 {
		t.Errorf("a node sends %.0f B/s at rest, want at most 4000", sum)
	}
}

// checkJoin has a node come.
func checkJoin(t *testing.T, w *World) {
	x := w.Add()
	w.Start(x, 17)
	took, ok := w.Await(10*time.Second, func() bool {
		for i := range x {
			if !w.Node(i).Reaches(w.Node(x)) || !w.Node(x).Reaches(w.Node(i)) {
				return false
			}
		}
		return true
	})
	t.Logf("all reach the new node, and it them, after %v", took)
	if !ok || took > 3*time.Second {
		t.Errorf("it took %v: %v, want at most 3 s", took, ok)
	}
}
