package linkstate

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// maxTrees bounds how many trees a finder keeps.
const maxTrees = 64

// finder finds routes in a topology, and keeps what it found until forget is called.
type finder struct {
	t     *topology
	trees map[string]*tree // by the banned slots
	found map[int32]routes
}

// routes are the results for one destination.
type routes struct {
	best, second Route
	ok           bool
}

// path is a way to a destination through relays: their slots.
type path struct {
	relays []int32
	cost   time.Duration
}

func newFinder(t *topology) *finder {
	f := &finder{t: t}
	f.forget()
	return f
}

// forget is to be called whenever the topology changed.
func (f *finder) forget() {
	if f.trees == nil || len(f.trees)+len(f.found) > 0 {
		f.trees, f.found = map[string]*tree{}, map[int32]routes{}
	}
}

// routes finds the best way and the second one; see Engine.Routes.
func (f *finder) routes(dst int32) routes {
	if r, ok := f.found[dst]; ok {
		return r
	}
	var r routes
	if best, ok := f.search(dst, nil); ok {
		r.best, r.ok = f.route(best), true
		second, other := f.search(dst, best.relays)
		if !other && len(best.relays) > 1 {
			second, other = f.search(dst, best.relays[:1])
		}
		if other {
			r.second = f.route(second)
		}
	}
	f.found[dst] = r
	return r
}

func (f *finder) route(p path) Route {
	r := Route{Cost: p.cost}
	for _, slot := range p.relays {
		r.Relays = append(r.Relays, f.t.vertices[slot].id)
	}
	return r
}

// search finds the cheapest way to dst that has none of the avoided nodes as relay. It looks into trees that ban less first, which
// other destinations share: where the cheapest way there visits nothing that it must not, there is no cheaper one.
func (f *finder) search(dst int32, avoid []int32) (p path, ok bool) {
	avoid = slices.Sorted(slices.Values(avoid))
	strict := slices.Sorted(slices.Values(append([]int32{dst}, avoid...)))
	for _, banned := range [][]int32{nil, avoid, strict} {
		p, ok = f.tree(banned).to(dst, avoid)
		if !ok || !slices.ContainsFunc(p.relays, func(slot int32) bool { return slices.Contains(strict, slot) }) {
			break
		}
	}
	return p, ok
}

// tree is the tree without the banned nodes.
func (f *finder) tree(banned []int32) *tree {
	var key []byte
	for _, slot := range banned {
		key = binary.BigEndian.AppendUint32(key, uint32(slot))
	}
	if r, ok := f.trees[string(key)]; ok {
		return r
	}
	if len(f.trees) >= maxTrees {
		clear(f.trees)
	}
	r := grow(f.t, banned)
	f.trees[string(key)] = r
	return r
}

// to finds the cheapest way to dst through one of its neighbours that is not to be avoided; the rest of it may lead through avoided
// nodes, and through dst, unless the tree bans them. Of equal ones it takes the one that hashes lowest, so that not all nodes
// burden the same relay.
func (r *tree) to(dst int32, avoid []int32) (best path, ok bool) {
	best.cost = math.MaxInt64
	last, links, tie := int32(0), 0, uint64(0)
	for _, e := range r.t.vertices[dst].edges {
		if !r.passes(e.to) || slices.Contains(avoid, e.to) {
			continue
		}
		for n := 1; n <= MaxRelays; n++ {
			l := r.legs[n][e.to]
			if l.cost == unreached || l.links != n {
				continue
			}
			cost := penalised(time.Duration(l.cost+e.cost)*time.Microsecond, n)
			if cost > best.cost {
				continue
			}
			if hash := r.tie(e.to, dst); cost < best.cost || hash < tie {
				best.cost, last, links, tie = cost, e.to, n, hash
			}
		}
	}
	if links == 0 {
		return path{}, false
	}
	best.relays = r.relays(nil, last, links)
	return best, true
}

// tie ranks relays of equal cost.
func (r *tree) tie(relay, dst int32) uint64 {
	return rank(r.t.vertices[0].id, r.t.vertices[relay].id, r.t.vertices[dst].id)
}

// rank is a number that all nodes compute alike, and that has no pattern (rendezvous hashing).
func rank(ids ...trust.Fingerprint) (x uint64) {
	for _, id := range ids {
		x = mix(x + uint64(id.Number()))
	}
	return x
}

// mix is the last step of splitmix64: each bit of its result depends on all of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
