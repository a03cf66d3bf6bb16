package linkstate

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// topologyOf makes a graph of n nodes with a link wherever rtt says so.
func topologyOf(n int, rtt func(a, b int) time.Duration) *topology {
	var list []trust.Fingerprint
	for i := range n {
		list = append(list, trust.Fingerprint{byte(i >> 8), byte(i), 7: 1})
	}
	top := newTopology(list[0])
	for i := 1; i < n; i++ {
		top.add(list[i])
	}
	for i := range n {
		top.setRelay(list[i].Number(), true)
		for j := range i {
			if d := rtt(j, i); d > 0 {
				top.link(list[i].Number(), list[j].Number(), Cost(rttClass(d, 0, false), 0))
			}
		}
	}
	return top
}

// graphs are those that routes are computed in for the benchmarks: all have 500 nodes.
func graphs() map[string]*topology {
	r := rand.New(rand.NewPCG(1, 1))
	random := func() time.Duration { return time.Duration(r.IntN(200)+1) * time.Millisecond }
	return map[string]*topology{
		"mesh": topologyOf(500, func(a, b int) time.Duration { return random() }),
		"unreached": topologyOf(500, func(a, b int) time.Duration { // 0 reaches all but 1
			if a == 0 && b == 1 {
				return 0
			}
			return random()
		}),
		"sites": topologyOf(500, func(a, b int) time.Duration { // two halves, joined by two links
			if a%2 != b%2 && !(a < 4 && b < 4 && a/2 == b/2) {
				return 0
			}
			return random()
		}),
	}
}

func BenchmarkRoute(b *testing.B) {
	top := graphs()["unreached"]
	f := newFinder(top)
	for b.Loop() {
		f.forget()
		if r := f.routes(1); !r.ok || len(r.second.Relays) == 0 {
			b.Fatal("no route")
		}
	}
}

func BenchmarkAllRoutes(b *testing.B) {
	for name, top := range graphs() {
		b.Run(name, func(b *testing.B) {
			f := newFinder(top)
			for b.Loop() {
				f.forget()
				for dst := range int32(len(top.vertices)) {
					if dst != 0 {
						f.routes(dst)
					}
				}
			}
		})
	}
}
