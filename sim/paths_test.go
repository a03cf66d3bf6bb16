package sim

import (
	"slices"
	"testing"
	"time"
)

// both are flows between two nodes, in both directions.
func both(w *World, a, b int, every time.Duration) [2]*Flow {
	return [2]*Flow{w.NewFlow(a, b, every), w.NewFlow(b, a, every)}
}

// outage is for how long packets got lost, in the worse direction, that were sent from a time on: in all, and at a stretch. It lets
// packets arrive that are on their way.
func outage(w *World, flows [2]*Flow, from time.Time) (total, longest time.Duration) {
	to := w.Now()
	w.Run(500 * time.Millisecond)
	for _, f := range flows {
		t, l := f.Lost(from, to)
		total, longest = max(total, t), max(longest, l)
	}
	return total, longest
}

func TestARelayThatDiesIsReplacedSoon(t *testing.T) {
	var gaps []time.Duration
	eachSeed(t, 20, func(t *testing.T, seed uint64) {
		w := newWorld(t, Config{Seed: seed, Nodes: 6, Rekey: time.Hour})
		startAll(w, time.Second)
		mustConverge(t, w, 10*time.Second)
		w.Cut(0, 1, true)
		flows := both(w, 0, 1, 10*time.Millisecond)
		w.Run(10*time.Second + time.Duration(w.Rand().Int64N(int64(5*time.Second))))
		via, _ := w.Node(0).PathTo(w.Node(1))
		if len(via) != 1 {
			t.Fatalf("the path is through %v, want one relay", via)
		}
		begin := w.Now()
		w.Kill(via[0].index)
		w.Run(5 * time.Second)
		_, longest := outage(w, flows, begin)
		gaps = append(gaps, longest)
	})
	slices.Sort(gaps)
	median, worst := gaps[len(gaps)/2], gaps[len(gaps)-1]
	t.Logf("a relay dies: nothing arrives for %v (median of %d), %v at most", median, len(gaps), worst)
	if median > 1500*time.Millisecond || worst > 3*time.Second {
		t.Errorf("median %v, worst %v, want at most 1.5 s and 3 s", median, worst)
	}
}

func TestADirectLinkThatIsCutIsRelayedAndGoneBackTo(t *testing.T) {
	var cuts, backs []time.Duration
	eachSeed(t, 10, func(t *testing.T, seed uint64) {
		delay := []time.Duration{5, 25, 100}[seed%3] * time.Millisecond
		w := newWorld(t, Config{Seed: seed, Nodes: 5, Rekey: time.Hour, Link: Link{Delay: delay}})
		startAll(w, time.Second)
		flows := both(w, 0, 1, 10*time.Millisecond)
		w.Run(10*time.Second + time.Duration(w.Rand().Int64N(int64(time.Second))))
		begin := w.Now()
		w.Cut(0, 1, true)
		w.Run(5 * time.Second)
		_, longest := outage(w, flows, begin)
		w.Cut(0, 1, false)
		back, ok := w.Await(20*time.Second, func() bool { return isStraight(w, 0, 1) && isStraight(w, 1, 0) })
		if !ok {
			t.Error("not straight again")
		}
		t.Logf("round trip %v: relayed after %v, direct again after %v", 2*delay, longest, back)
		cuts, backs = append(cuts, longest), append(backs, back)
	})
	t.Logf("a direct link is cut: relayed after %v at most; restored: direct after %v at most", slices.Max(cuts), slices.Max(backs))
	if slices.Max(cuts) > 3*time.Second || slices.Max(backs) > 10*time.Second {
		t.Errorf("relayed after %v, direct after %v, want at most 3 s and 10 s", slices.Max(cuts), slices.Max(backs))
	}
}

func isStraight(w *World, a, b int) bool {
	via, ok := w.Node(a).PathTo(w.Node(b))
	return ok && len(via) == 0
}

func TestALinkThatFlapsCostsLittle(t *testing.T) {
	eachSeed(t, 5, func(t *testing.T, seed uint64) {
		w := newWorld(t, Config{Seed: seed, Nodes: 5, Rekey: time.Hour})
		startAll(w, time.Second)
		flows := both(w, 0, 1, 20*time.Millisecond)
		w.Run(70 * time.Second)
		begin := w.Now()
		was, _ := w.Node(0).Switches(w.Node(1))
		for range 10 {
			down := time.Second + time.Duration(w.Rand().Int64N(int64(4*time.Second)))
			w.Cut(0, 1, true)
			w.Run(down)
			w.Cut(0, 1, false)
			w.Run(6*time.Second - down)
		}
		switches, deaths := w.Node(0).Switches(w.Node(1))
		total, longest := outage(w, flows, begin)
		t.Logf("10 cuts in 60 s: %d switches, %v lost in all, %v at a stretch", switches-was, total, longest)
		if switches-was > 4 || total >= 10*time.Second || deaths > 0 {
			t.Errorf("%d switches, %v lost, %d times taken down; want at most 4, less than 10 s, never", switches-was, total, deaths)
		}
	})
}

func TestAnAddressThatChangesCostsLittle(t *testing.T) {
	w := newWorld(t, Config{Nodes: 5, Rekey: time.Hour})
	startAll(w, time.Second)
	flows := both(w, 0, 1, 10*time.Millisecond)
	w.Run(10 * time.Second)
	begin := w.Now()
	w.Move(1)
	w.Run(10 * time.Second)
	total, _ := outage(w, flows, begin)
	t.Logf("an address changes: %v lost", total)
	if total > time.Second {
		t.Errorf("%v lost, want at most 1 s", total)
	}
}

func TestALinkThatFailsInOneDirectionIsLeftByBothEnds(t *testing.T) {
	for _, delay := range []time.Duration{1, 25, 100} {
		delay *= time.Millisecond
		var outages []time.Duration
		eachSeed(t, 5, func(t *testing.T, seed uint64) {
			w := newWorld(t, Config{Seed: seed, Nodes: 5, Rekey: time.Hour, Link: Link{Delay: delay}})
			startAll(w, time.Second)
			flows := both(w, 0, 1, 10*time.Millisecond)
			w.Run(10*time.Second + time.Duration(w.Rand().Int64N(int64(time.Second))))
			begin, dead := w.Now(), int(seed%2)
			w.Link(dead, 1-dead).Down = true
			w.Run(10 * time.Second)
			_, longest := outage(w, flows, begin)
			outages = append(outages, longest)
			if isStraight(w, 0, 1) || isStraight(w, 1, 0) {
				t.Error("one end goes straight")
			}
		})
		limit := 1500*time.Millisecond + 5*delay // of a long link, answers take long
		t.Logf("one direction fails, round trip %v: relayed after %v at most", 2*delay, slices.Max(outages))
		if longest := slices.Max(outages); longest > limit {
			t.Errorf("round trip %v: packets got lost for %v, want at most %v", 2*delay, longest, limit)
		}
	}
}
