package sim

import (
	"slices"
	"testing"
	"time"
)

// storm does at random what happens to clusters in years.
type storm struct {
	w *World
	n int
}

// randomConfig draws a cluster. The first two nodes have public addresses, and relay: where nobody does, nobody meets.
func randomConfig(seed uint64, nodes int) Config {
	w := New(Config{Seed: seed}) // for its source of random numbers
	kinds, relays := make([]NATKind, nodes), make([]bool, nodes)
	for i := range nodes {
		relays[i] = i < 2 || w.rand.Float64() < 0.9
		if i >= 2 && w.rand.Float64() < 0.4 {
			kinds[i] = NATKind(1 + w.rand.IntN(3))
		}
	}
	cfg := Config{
		Seed: seed, Nodes: nodes, Subnet: Static, NAT: func(i int) NATKind { return kinds[i] }, Relay: func(i int) bool { return relays[i] },
		Link: Link{
			Delay: time.Millisecond * time.Duration(1+w.rand.IntN(80)), Jitter: time.Millisecond * time.Duration(w.rand.IntN(40)),
			Loss: 0.03 * w.rand.Float64(), Duplicate: 0.02 * w.rand.Float64(),
		},
	}
	if w.rand.IntN(2) == 0 {
		cfg.Subnet = Auto
	}
	return cfg
}

// strike is one event.
func (s *storm) strike() {
	w := s.w
	i, j := w.rand.IntN(s.n), w.rand.IntN(s.n)
	switch w.rand.IntN(10) {
	case 0:
		w.Kill(i)
	case 1:
		w.Stop(i)
	case 2, 3:
		w.Restart(i)
	case 4:
		w.Move(i)
	case 5:
		if i != j {
			w.Cut(i, j, true)
		}
	case 6:
		w.Link(i, j).Down = true
	case 7:
		w.Cut(i, j, false)
	case 8:
		if i > 1 { // the seeds are known by their addresses, which may be all that somebody has
			w.Reinstall(i, 0, 1)
		}
	case 9:
		if w.rand.IntN(3) > 0 {
			w.Partition(nil)
		} else {
			cut := 1 + w.rand.IntN(s.n)
			w.Partition(func(node int) int { return node * cut / s.n })
		}
	}
}

// calm undoes all that is still in force.
func (s *storm) calm() {
	s.w.Partition(nil)
	for i := range s.n {
		for j := range s.n {
			if i != j {
				s.w.Link(i, j).Down = false
			}
		}
	}
	for i := range s.n {
		if !s.w.Running(i) {
			s.w.Restart(i)
		}
	}
}

func TestSoakWhateverHappensAllFindEachOtherAgain(t *testing.T) {
	var times []time.Duration
	delivered, sent := uint64(0), 0
	eachSeed(t, size(10, 60), func(t *testing.T, seed uint64) {
		n := 4 + int(seed)%size(7, 14)
		w := newWorld(t, randomConfig(seed, n))
		s := storm{w, n}
		w.Start(0)
		for i := 1; i < n; i++ {
			w.Start(i, []int{0, 1}[:min(i, 2)]...)
		}
		for range n {
			if a, b := w.rand.IntN(n), w.rand.IntN(n); a != b {
				w.NewFlow(a, b, 100*time.Millisecond)
			}
		}
		for range size(40, 100) {
			w.Run(time.Duration(w.rand.Int64N(int64(10 * time.Second))))
			s.strike()
		}
		s.calm()
		took := mustConverge(t, w, time.Minute)
		w.Run(20 * time.Second)
		if why, ok := w.Converged(); !ok {
			t.Fatalf("converged, and 20 s later no more: %s", why)
		}
		t.Logf("%d nodes: all reach all %v after the last event", n, took)
		times, delivered = append(times, took), delivered+w.Delivered()
		for _, f := range w.flows {
			sent += f.Sent()
		}
	})
	slices.Sort(times)
	t.Logf("%d runs: all reach all %v after the last event (median), %v at most; %d of %d packets delivered, none to a wrong node or in a circle",
		len(times), times[len(times)/2], times[len(times)-1], delivered, sent)
	const most = callMost + 10*time.Second // a node that never met anybody, for its seeds were cut off, calls them so seldom
	if worst := times[len(times)-1]; worst > most {
		t.Errorf("it took %v, want at most %v", worst, most)
	}
}
