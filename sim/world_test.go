package sim

import (
	"testing"
	"time"
)

func TestThreeNodesMeetAndCarryPackets(t *testing.T) {
	w := newWorld(t, Config{Nodes: 3})
	startAll(w, 0)
	t.Logf("converged after %v", mustConverge(t, w, 5*time.Second))
	f := w.NewFlow(1, 2, 20*time.Millisecond)
	begin := w.Now()
	w.Run(time.Second)
	f.Stop()
	w.Run(100 * time.Millisecond)
	if lost, _ := f.Lost(begin, w.Now()); lost > 0 || f.Sent() < 50 {
		t.Errorf("of %d packets %v got lost", f.Sent(), lost)
	}
}

func TestTheSameSeedSendsTheSameBytes(t *testing.T) {
	run := func(seed uint64) (uint64, uint64) {
		w := New(Config{Nodes: 8, Seed: seed, Link: Link{Delay: 10 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1, Duplicate: 0.05}})
		startAll(w, time.Second)
		w.NewFlow(1, 2, 50*time.Millisecond)
		w.After(5*time.Second, func() { w.Cut(1, 2, true) })
		w.Run(20 * time.Second)
		if w.Violation() != "" {
			t.Error(w.Violation())
		}
		return w.Digest(), w.Datagrams()
	}
	a, n := run(7)
	b, m := run(7)
	other, _ := run(8)
	if a != b || n != m {
		t.Errorf("seed 7 sent %d datagrams with digest %x, and again %d with %x", n, a, m, b)
	}
	if a == other {
		t.Errorf("seeds 7 and 8 sent the same: %x", a)
	}
}
