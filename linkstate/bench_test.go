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
		top.setRelay(int32(i), true)
		for j := range i {
			if d := rtt(j, i); d > 0 {
				top.link(int32(i), int32(j), Cost(rttClass(d, 0, false), 0))
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

// pagesOf are the messages in which the nodes of a mesh of n state their links: each lacks one in four.
func pagesOf(n int, now time.Time) (list [][]byte) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		a := author{links: map[trust.Fingerprint]*ownLink{}}
		for j := range n {
			if id := testIdentity(j).Fingerprint(); i != j && r.IntN(4) > 0 {
				a.links[id] = &ownLink{peer: id, number: id.Number(), up: true, quality: quality{rtt: RTTClass(r.IntN(8))}}
			}
		}
		for _, p := range a.contents(testIdentity(i).Fingerprint().Number(), func(*ownLink) bool { return true }, now) {
			p.stamp = 1
			list = append(list, pageMessage(p.sign(testIdentity(i), now), now))
		}
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// BenchmarkStart is what a node that starts in a mesh of 200 has to do for link state: it hears of the others one by one, its links come up
// one by one until it has half of them, it takes a page each millisecond, and asks for routes to all that it does not reach directly
// whenever they may have changed. Signatures are checked before.
func BenchmarkStart(b *testing.B) {
	const n = 200
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	pages, shared := pagesOf(n, now), &Shared{}
	start := func() {
		e, at := New(Config{Identity: testIdentity(0), Stamp: func() uint64 { return 1 }, Rand: rand.New(rand.NewPCG(1, 2)), Shared: shared}), now
		var members []trust.PublicKeys
		var links []Link
		for i := 1; i < n; i++ {
			members = append(members, testIdentity(i).Public())
			e.SetMembers(members)
			if i%2 == 0 {
				links = append(links, Link{Peer: testIdentity(i).Fingerprint(), RTT: 10 * time.Millisecond, Up: true})
				e.SetLinks(links, at)
			}
		}
		seen := e.Generation()
		for i, body := range pages {
			e.Receive(links[i%len(links)].Peer, body, at)
			e.Step(at)
			for k := 1; k < n && e.Generation() != seen; k += 2 {
				e.Routes(testIdentity(k).Fingerprint())
			}
			seen, at = e.Generation(), at.Add(time.Millisecond)
		}
		if e.Stats().Taken < uint64(len(pages))*9/10 {
			b.Fatalf("%d of %d pages were taken", e.Stats().Taken, len(pages))
		}
	}
	start() // shared has all signatures then
	for b.Loop() {
		start()
	}
}
