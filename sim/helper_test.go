package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// seedVariable names the environment variable that replays one seed; soakVariable the one that makes runs long.
const (
	seedVariable = "WEFT_SIM_SEED"
	soakVariable = "WEFT_SOAK"
)

// soaking reports whether the long runs are wanted.
func soaking() bool { return os.Getenv(soakVariable) != "" }

// seeds are those that a test runs with: a number of them from 1 on, or the one that is to be replayed.
func seeds(t *testing.T, count int) (list []uint64) {
	t.Helper()
	if text := os.Getenv(seedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		return []uint64{seed}
	}
	for i := range count {
		list = append(list, uint64(i)+1)
	}
	return list
}

// eachSeed runs a test with each of some seeds, as a subtest of its own: what fails is reported alone. What follows would say of all seeds
// what is so of some, where one has failed: the test ends then.
func eachSeed(t *testing.T, count int, test func(t *testing.T, seed uint64)) {
	t.Helper()
	for _, seed := range seeds(t, count) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { test(t, seed) })
	}
	if t.Failed() {
		t.FailNow()
	}
}

// newWorld makes a World of the first seed. A report is written if the test fails, or something happened that must not.
func newWorld(t *testing.T, cfg Config) *World {
	t.Helper()
	if cfg.Seed == 0 {
		cfg.Seed = seeds(t, 1)[0]
	}
	w := New(cfg)
	t.Cleanup(func() {
		if w.Violation() != "" {
			t.Errorf("%s", w.Violation())
		}
		if t.Failed() {
			writeReport(t, w)
		}
	})
	return w
}

// writeReport writes what was sent last into a file, and says where it is.
func writeReport(t *testing.T, w *World) {
	t.Helper()
	command := replayCommand(t.Name(), w.cfg.Seed)
	what := t.Name()
	if v := w.Violation(); v != "" {
		what += ": " + v
	}
	file, err := os.CreateTemp("", "weft-sim-*.md")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(w.Report(what, command)); err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d; again: %s; what was sent: %s", w.cfg.Seed, command, filepath.ToSlash(file.Name()))
}

// replayCommand runs a test with one seed.
func replayCommand(test string, seed uint64) string {
	soak := ""
	if soaking() {
		soak = soakVariable + "=1 "
	}
	parts := strings.Split(strings.ReplaceAll(test, " ", "_"), "/")
	return fmt.Sprintf("%s%s=%d go test -count=1 -run '^%s$' ./sim", soak, seedVariable, seed, strings.Join(parts, "$/^"))
}

// startAll starts the first node, and then the rest, each at a time drawn within spread, with the first as seed. All run when it returns.
func startAll(w *World, spread time.Duration) {
	w.Start(0)
	for i := 1; i < w.cfg.Nodes; i++ {
		w.After(time.Duration(w.rand.Int64N(int64(spread)+1)), func() { w.Start(i, 0) })
	}
	w.Run(spread)
}

// mustConverge waits until all know and reach each other.
func mustConverge(t *testing.T, w *World, limit time.Duration) time.Duration {
	t.Helper()
	took, ok := w.Await(limit, func() bool { _, ok := w.Converged(); return ok })
	if !ok {
		why, _ := w.Converged()
		t.Fatalf("not converged after %v: %s", took, why)
	}
	if where, ok := w.Agreed(); !ok {
		t.Fatalf("converged, and %s", where)
	}
	return took
}
