package sim

import (
	"testing"
	"time"
)

// size is a number of nodes, and a greater one for the long runs.
func size(short, long int) int {
	if soaking() {
		return long
	}
	return short
}

func TestSoakLossOfFivePercentKillsNobody(t *testing.T) {
	n := size(8, 50)
	w := newWorld(t, Config{Nodes: n, Link: Link{Delay: 25 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.05}})
	startAll(w, time.Second)
	mustConverge(t, w, 30*time.Second)
	flow := w.NewFlow(0, 1, 100*time.Millisecond)
	begin := w.Now()
	w.Run(30 * time.Minute)
	flow.Stop()
	moves := 0
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			switches, deaths := a.Switches(b)
			moves += switches
			if deaths > 0 {
				t.Errorf("%v took %v for dead %d times", a, b, deaths)
			}
		}
	}
	share := 1 - float64(flow.Arrived(begin))/float64(flow.Sent())
	t.Logf("%d nodes, 5 %% loss, 30 min: nobody taken for dead, %d moves of paths; %.1f %% of packets lost", n, moves, 100*share)
	if share > 0.07 {
		t.Errorf("%.1f %% of packets lost", 100*share)
	}
}

func TestSoakAPartitionOfAnHourHeals(t *testing.T) {
	n := size(6, 16)
	w := newWorld(t, Config{Nodes: n})
	startAll(w, time.Second)
	mustConverge(t, w, 30*time.Second)
	w.Run(10 * time.Second)
	w.Partition(halves)
	w.Run(time.Hour)
	w.Partition(nil)
	took := mustConverge(t, w, 30*time.Second)
	t.Logf("%d nodes, halves apart for an hour: all reach all %v after its end", n, took)
	if took > 10*time.Second {
		t.Errorf("it took %v, want at most 10 s", took)
	}
}
