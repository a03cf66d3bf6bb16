package linkstate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawWorld draws nodes, links and policies; links are measured differently at both ends at times.
func drawWorld(t *rapid.T, tb testing.TB) *world {
	n := rapid.IntRange(2, 9).Draw(t, "nodes")
	w := newWorld(tb, n, rapid.Uint64().Draw(t, "seed"))
	for i, node := range w.nodes {
		node.rtt = map[int]time.Duration{}
		if rapid.IntRange(0, 5).Draw(t, "policy") == 0 {
			node.policy = RefuseRelay
			node.engine.SetPolicy(RefuseRelay)
		}
		for j := range i {
			if rapid.IntRange(0, 2).Draw(t, "linked") > 0 {
				continue
			}
			drawLink(t, w, j, i)
		}
	}
	return w
}

func drawLink(t *rapid.T, w *world, a, b int) {
	rtt := time.Duration(rapid.IntRange(1, 300).Draw(t, "ms")) * time.Millisecond
	if rapid.IntRange(0, 3).Draw(t, "skewed") == 0 {
		w.nodes[a].rtt[b] = 2 * rtt
	}
	w.set(a, b, rtt, rapid.SampledFrom([]float64{0, 0, 0, 0.005, 0.05, 0.5}).Draw(t, "loss"))
}

func agree(t testing.TB, w *world, within time.Duration) time.Duration {
	t.Helper()
	took, ok := w.runUntil(within, func() bool { return w.disagreement() == "" })
	if !ok {
		t.Fatalf("after %v: %s", within, w.disagreement())
	}
	return took
}

func TestAllNodesFindTheShortestWays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		agree(t, drawWorld(rt, t), 10*time.Second)
	})
}

func TestNodesAgreeThoughMessagesAreLostRepeatedAndOvertaken(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt, t)
		w.loss, w.duplicate, w.spread = 0.2, 0.1, 500*time.Millisecond
		agree(t, w, 5*time.Minute)
	})
}

func TestNodesAgreeAfterLinksChangeAndNodesRestart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt, t)
		w.loss, w.spread = 0.05, 50*time.Millisecond
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			w.run(time.Duration(rapid.IntRange(1, 7000).Draw(rt, "pause")) * time.Millisecond)
			a := rapid.IntRange(0, len(w.nodes)-1).Draw(rt, "a")
			b := rapid.IntRange(0, len(w.nodes)-1).Draw(rt, "b")
			switch rapid.IntRange(0, 3).Draw(rt, "change") {
			case 0:
				w.kill(a)
				w.run(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "dead")) * time.Millisecond)
				w.start(a)
				for j := range w.nodes {
					w.measure(j)
				}
			case 1:
				if a != b {
					w.set(a, b, 0, 0)
				}
			case 2:
				if a != b {
					drawLink(rt, w, min(a, b), max(a, b))
				}
			case 3:
				w.kill(a)
			}
		}
		w.run(2 * flapWindow) // links that are held down for all these changes
		agree(t, w, 5*time.Minute)
	})
}

func TestRoutesVisitNoNodeTwiceWhateverPagesSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt, t)
		w.loss, w.spread = 0.3, time.Second
		for range 20 { // at any moment, agreed or not
			w.run(200 * time.Millisecond)
			for i, n := range w.nodes {
				for j := range w.nodes {
					best, second, _ := n.engine.Routes(w.nodes[j].id.Fingerprint())
					for _, r := range []Route{best, second} {
						checkSimple(t, w, i, j, r)
					}
				}
			}
		}
	})
}

func checkSimple(t *testing.T, w *world, from, to int, r Route) {
	t.Helper()
	if len(r.Relays) > MaxRelays {
		t.Errorf("%d to %d: %d relays", from, to, len(r.Relays))
	}
	path := append([]int{from, to}, w.indexes(r)...)
	slices.Sort(path)
	if len(r.Relays) > 0 && len(slices.Compact(path)) != len(r.Relays)+2 {
		t.Errorf("%d to %d: visits a node twice: %v", from, to, w.indexes(r))
	}
	for _, relay := range w.indexes(r) {
		if w.nodes[relay].policy != AllowRelay {
			t.Errorf("%d to %d: through %d, which relays nothing", from, to, relay)
		}
	}
}

func TestTheSameHappensInEveryRun(t *testing.T) {
	transcript := func() (lines []string) {
		w := newWorld(t, 12, 9)
		w.loss, w.duplicate, w.spread = 0.1, 0.1, 100*time.Millisecond
		w.sent = func(from, to int, body []byte) {
			lines = append(lines, fmt.Sprintf("%v %d %d %x", w.now, from, to, body))
		}
		w.mesh(10 * time.Millisecond)
		w.run(5 * time.Second)
		w.kill(3)
		for i, n := range w.nodes { // of whom one hears of the last three late
			if i == 0 {
				n.engine.SetMembers(w.members()[:9])
			}
		}
		w.run(5 * time.Second)
		w.setMembers()
		w.start(3)
		measureAll(w)
		w.run(time.Minute)
		return lines
	}
	first, second := transcript(), transcript()
	if len(first) == 0 || !slices.Equal(first, second) {
		t.Errorf("%d messages in one run and %d in another, or others", len(first), len(second))
	}
}

func TestWhatIsGainedCountsTogetherAndWhatIsLostAtOnce(t *testing.T) {
	const n = 12
	w := newWorld(t, n, 1)
	w.mesh(10 * time.Millisecond)
	e := w.nodes[0].engine
	before := e.Generation()
	w.run(2 * time.Second) // in which all have signed, and each has heard the eleven others
	if turns := e.Generation() - before; turns == 0 || turns > 6 {
		t.Errorf("%d generations for the links of %d nodes, want at most 6", turns, n)
	}
	w.run(10 * time.Second)
	for i := range 3 {
		before = e.Generation()
		w.set(1, 2+i, 0, 0)
		w.run(50 * time.Millisecond)
		if e.Generation() == before {
			t.Errorf("link %d that is lost does not count after 50 ms", i)
		}
	}
}
