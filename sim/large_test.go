package sim

import (
	"testing"
	"time"
)

// coldStart starts all nodes within a time, and returns when all reached all, from the first start on.
func coldStart(t *testing.T, w *World, within, limit time.Duration) time.Duration {
	t.Helper()
	startAll(w, within)
	mustConverge(t, w, limit)
	return w.Elapsed()
}

func TestSoakFiveHundredNodes(t *testing.T) {
	if !soaking() {
		t.Skipf("it takes many minutes of a CPU: %s=1 runs it", soakVariable)
	}
	const n = 500
	w := newWorld(t, Config{Nodes: n, Rekey: 24 * time.Hour})
	took := coldStart(t, w, 2*time.Second, time.Minute)
	t.Logf("cold start of %d within 2 s: all reach all %v after the first started", n, took)
	if took > 30*time.Second {
		t.Errorf("cold start took %v, want at most 30 s", took)
	}
	w.Run(3 * time.Minute)
	checkRest(t, w, 5*time.Minute, 16000)
	checkJoin(t, w)
}

func TestSoakAHundredNodesAtRest(t *testing.T) {
	if !soaking() {
		t.Skipf("it takes minutes of a CPU: %s=1 runs it", soakVariable)
	}
	w := newWorld(t, Config{Nodes: 100})
	coldStart(t, w, 2*time.Second, 30*time.Second)
	w.Run(5 * time.Minute)
	checkRest(t, w, 20*time.Minute, 4000)
}
