package sim

import (
	"os"
	"strconv"
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

// sizeVariable says how large the largest cluster is. Its cost grows with more than the square of it: see docs/mesh.md.
const sizeVariable = "WEFT_SIM_NODES"

func TestSoakALargeClusterStarts(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv(sizeVariable))
	if err != nil || !soaking() {
		t.Skipf("it takes a CPU for minutes to hours: %s=1 %s=200 runs it with 200 nodes", soakVariable, sizeVariable)
	}
	w := newWorld(t, Config{Nodes: n, Rekey: 24 * time.Hour})
	took := coldStart(t, w, 2*time.Second, time.Minute)
	t.Logf("cold start of %d within 2 s: all reach all %v after the first started", n, took)
	logSent(t, w)
	if took > 30*time.Second {
		t.Errorf("cold start took %v, want at most 30 s", took)
	}
}

// logSent says what a node has sent since it started: the average, by kind.
func logSent(t *testing.T, w *World) {
	t.Helper()
	total, sum := sent(w), uint64(0)
	for k := range kindsEnd {
		sum += total[k]
		t.Logf("%v: %d kB sent by each", k, total[k]/uint64(len(w.nodes))/1000)
	}
	t.Logf("in all: %d kB sent by each", sum/uint64(len(w.nodes))/1000)
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
