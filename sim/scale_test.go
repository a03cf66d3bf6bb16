package sim

import (
	"testing"
	"time"
)

// All links have a round trip of 50 ms.
func TestSoakAClusterStartsAndOneMoreJoins(t *testing.T) {
	n := size(50, 100)
	w := newWorld(t, Config{Nodes: n, Rekey: time.Hour})
	took := coldStart(t, w, 2*time.Second, 30*time.Second)
	t.Logf("cold start of %d within 2 s: all reach all %v after the first started", n, took)
	if took > 15*time.Second {
		t.Errorf("cold start took %v, want at most 15 s", took)
	}
	w.Run(20 * time.Second)
	checkJoin(t, w)
}

// checkRest measures what a node sends while nothing happens, which has to be at most so many bytes a second.
func checkRest(t *testing.T, w *World, span time.Duration, most float64) {
	t.Helper()
	before := sent(w)
	w.Run(span)
	after, sum := sent(w), 0.0
	for k := range kindsEnd {
		rate := float64(after[k]-before[k]) / span.Seconds() / float64(len(w.nodes))
		sum += rate
		t.Logf("%v: %.0f B/s", k, rate)
	}
	t.Logf("in all: %.0f B/s", sum)
	if sum > most {
		t.Errorf("a node sends %.0f B/s at rest, want at most %.0f", sum, most)
	}
}

// sent is what all nodes have sent, by kind.
func sent(w *World) (total [kindsEnd]uint64) {
	for _, n := range w.nodes {
		for k := range kindsEnd {
			total[k] += n.Sent(k)
		}
	}
	return total
}

// checkJoin has a node come.
func checkJoin(t *testing.T, w *World) {
	t.Helper()
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
