package linkstate

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// simplePaths calls found with every way from slot 0 to dst through relays.
func simplePaths(top *topology, dst int32, found func(relays []int32, cost time.Duration)) {
	var walk func(at int32, relays []int32, sum time.Duration)
	walk = func(at int32, relays []int32, sum time.Duration) {
		for _, e := range top.vertices[at].edges {
			cost := sum + time.Duration(e.cost)*time.Microsecond
			switch {
			case e.to == dst && len(relays) > 0:
				found(relays, penalised(cost, len(relays)))
			case e.to != dst && e.to != 0 && len(relays) < MaxRelays && top.vertices[e.to].relay && !slices.Contains(relays, e.to):
				walk(e.to, append(relays[:len(relays):len(relays)], e.to), cost)
			}
		}
	}
	walk(0, nil, 0)
}

func TestSearchesInLargeGraphsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(15, 40).Draw(t, "nodes")
		density := rapid.IntRange(1, 4).Draw(t, "density")
		widest := rapid.SampledFrom([]int{4, 40, 400}).Draw(t, "widest")
		seed := rapid.Uint64().Draw(t, "seed")
		draw := func(a, b, of int) int { return int(mix(seed^uint64(a*1000+b)) % uint64(of)) }
		top := topologyOf(n, func(a, b int) time.Duration {
			if draw(a, b, 4) >= density {
				return 0
			}
			return time.Duration(1+draw(b, a, widest)) * time.Millisecond
		})
		f := newFinder(top)
		for dst := int32(1); dst < 6; dst++ {
			avoid := []int32{int32(rapid.IntRange(1, n-1).Draw(t, "avoid"))}
			for _, avoid := range [][]int32{nil, avoid} {
				least := time.Duration(0)
				simplePaths(top, dst, func(relays []int32, cost time.Duration) {
					if !slices.ContainsFunc(relays, func(r int32) bool { return slices.Contains(avoid, r) }) && (least == 0 || cost < least) {
						least = cost
					}
				})
				if p, ok := f.search(dst, avoid); ok != (least > 0) || ok && p.cost != least {
					t.Errorf("to %d without %v: %v %v, want cost %v", dst, avoid, p, ok, least)
				}
			}
		}
	})
}
