package linkstate

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

func TestHopsAreThoseOfTheShortestWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 9).Draw(t, "nodes")
		top := newTopology(trust.Fingerprint{0})
		for i := 1; i < n; i++ {
			top.add(trust.Fingerprint{byte(i)})
		}
		node := rapid.Int32Range(0, int32(n)-1)
		for range rapid.IntRange(0, 30).Draw(t, "changes") {
			switch a, b := node.Draw(t, "from"), node.Draw(t, "to"); {
			case a == b:
			case rapid.Bool().Draw(t, "up"):
				top.link(a, b, time.Millisecond)
			default:
				top.unlink(a, b)
			}
		}
		from := node.Draw(t, "begin")
		if got, want := top.hops(from), relaxed(top, from); !slices.Equal(got, want) {
			t.Errorf("hops %v, want %v", got, want)
		}
	})
}

// relaxed is topology.hops as Bellman and Ford have it.
func relaxed(top *topology, from int32) []int32 {
	hops := slices.Repeat([]int32{-1}, len(top.vertices))
	hops[from] = 0
	for range top.vertices {
		for a, v := range top.vertices {
			for _, e := range v.edges {
				if hops[a] >= 0 && (hops[e.to] < 0 || hops[e.to] > hops[a]+1) {
					hops[e.to] = hops[a] + 1
				}
			}
		}
	}
	return hops
}
