package linkstate

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// identities are made once: keys of a number are always the same.
var identities sync.Map

func testIdentity(n int) *trust.Identity {
	if id, ok := identities.Load(n); ok {
		return id.(*trust.Identity)
	}
	seed := make([]byte, 32)
	binary.BigEndian.PutUint64(seed, uint64(n)+1)
	id, err := trust.NewIdentity(seed)
	if err != nil {
		panic(err)
	}
	identities.Store(n, id)
	return id
}

// world is nodes and links between them, under a clock of its own.
type world struct {
	t      testing.TB
	now    time.Time
	rand   *rand.Rand
	nodes  []*testNode
	index  map[trust.Fingerprint]int
	links  map[[2]int]*testLink // by both ends, the smaller first
	events events
	seq    int

	measured        bool                            // cost goes by what was measured last, though nobody has said it yet
	loss, duplicate float64                         // of messages
	spread          time.Duration                   // of delays beyond half of the round trip: makes them overtake each other
	sent            func(from, to int, body []byte) // nil: nobody looks
	received        func(from, to int, body []byte, err error)
}

type testNode struct {
	id     *trust.Identity
	engine *Engine
	stamp  uint64
	policy Policy
	wake   time.Time
	dead   bool
	rtt    map[int]time.Duration // what it measures, where that differs from the link's
}

type testLink struct {
	rtt  time.Duration
	loss float64 // as measured
	up   bool
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newWorld(t testing.TB, n int, seed uint64) *world {
	w := &world{
		t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(seed, 1)),
		index: map[trust.Fingerprint]int{}, links: map[[2]int]*testLink{},
	}
	for range n {
		w.add()
	}
	w.setMembers()
	return w
}

// add adds a node that the others do not know yet.
func (w *world) add() {
	i := len(w.nodes)
	node := &testNode{id: testIdentity(i)}
	w.nodes = append(w.nodes, node)
	w.index[node.id.Fingerprint()] = i
	w.start(i)
}

// setMembers tells all nodes who takes part.
func (w *world) setMembers() {
	members := w.members()
	for _, n := range w.nodes {
		n.engine.SetMembers(members)
	}
}

// start starts a node, or starts it again, without what it knew.
func (w *world) start(i int) {
	n := w.nodes[i]
	n.stamp += 1000
	stamp := n.stamp
	n.engine = New(Config{Identity: n.id, Stamp: func() uint64 { return stamp }, Rand: rand.New(rand.NewPCG(w.rand.Uint64(), 2))})
	n.engine.SetPolicy(n.policy)
	n.engine.SetMembers(w.members())
	n.dead = false
	w.measure(i)
}

func (w *world) members() (list []trust.PublicKeys) {
	for _, n := range w.nodes {
		list = append(list, n.id.Public())
	}
	return list
}

// set makes a link between two nodes, changes it, or cuts it (rtt 0).
func (w *world) set(a, b int, rtt time.Duration, loss float64) {
	w.links[[2]int{min(a, b), max(a, b)}] = &testLink{rtt, loss, rtt > 0}
	w.measure(a)
	w.measure(b)
}

func (w *world) up(a, b int) (*testLink, bool) {
	l := w.links[[2]int{min(a, b), max(a, b)}]
	return l, l != nil && l.up && !w.nodes[a].dead && !w.nodes[b].dead
}

// measure tells a node its links.
func (w *world) measure(i int) {
	if w.nodes[i].dead {
		return
	}
	var list []Link
	for j, peer := range w.nodes {
		if l, up := w.up(i, j); up {
			rtt := l.rtt
			if other, ok := w.nodes[i].rtt[j]; ok {
				rtt = other
			}
			list = append(list, Link{Peer: peer.id.Fingerprint(), RTT: rtt, Loss: l.loss, Up: true})
		}
	}
	w.nodes[i].engine.SetLinks(list, w.now)
	w.step(i)
}

// kill stops a node without a word; its peers notice.
func (w *world) kill(i int) {
	w.nodes[i].dead = true
	for j := range w.nodes {
		if _, linked := w.links[[2]int{min(i, j), max(i, j)}]; linked {
			w.measure(j)
		}
	}
}

func (w *world) at(at time.Time, do func()) {
	w.seq++
	heap.Push(&w.events, event{at, w.seq, do})
}

// step lets a node send, and come back when it wants.
func (w *world) step(i int) {
	n := w.nodes[i]
	if n.dead {
		return
	}
	send, next := n.engine.Step(w.now)
	if !next.After(w.now) {
		w.t.Fatalf("node %d wants to be called at %v, and it is %v", i, next, w.now)
	}
	for _, m := range send {
		if len(m.Body) > MaxMessage {
			w.t.Fatalf("a message of %d bytes", len(m.Body))
		}
		w.deliver(i, w.index[m.To], m.Body)
	}
	if n.wake.After(w.now) && !next.Before(n.wake) {
		return // it is called before anyway
	}
	n.wake = next
	engine := n.engine
	w.at(next, func() {
		if n.engine == engine && !w.now.Before(n.wake) {
			w.step(i)
		}
	})
}

// deliver takes a message along the link, as far as that lets it.
func (w *world) deliver(from, to int, body []byte) {
	if w.sent != nil {
		w.sent(from, to, body)
	}
	l, up := w.up(from, to)
	if !up || w.rand.Float64() < w.loss {
		return
	}
	copies := 1
	if w.rand.Float64() < w.duplicate {
		copies++
	}
	for range copies {
		delay := l.rtt / 2
		if w.spread > 0 {
			delay += time.Duration(w.rand.Int64N(int64(w.spread)))
		}
		w.at(w.now.Add(delay), func() {
			if _, up := w.up(from, to); !up {
				return
			}
			_, err := w.nodes[to].engine.Receive(w.nodes[from].id.Fingerprint(), body, w.now)
			if w.received != nil {
				w.received(from, to, body, err)
			}
			w.step(to)
		})
	}
}

// run lets time pass.
func (w *world) run(d time.Duration) { w.runUntil(d, func() bool { return false }) }

// runUntil lets time pass until a condition holds, at most d, and reports whether it came to hold, and after how long. It looks
// every 50 ms in the first ten seconds, then every second.
func (w *world) runUntil(d time.Duration, done func() bool) (time.Duration, bool) {
	begin := w.now
	for end := w.now.Add(d); w.now.Before(end); {
		until := w.now.Add(50 * time.Millisecond)
		if w.now.Sub(begin) >= 10*time.Second {
			until = w.now.Add(time.Second)
		}
		for len(w.events) > 0 && !w.events[0].at.After(until) {
			e := heap.Pop(&w.events).(event)
			w.now = e.at
			e.do()
		}
		w.now = until
		if done() {
			return w.now.Sub(begin), true
		}
	}
	return d, false
}

// cost is what a link costs when all know it: by the classes that both ends made of what they measured.
func (w *world) cost(a, b int) (time.Duration, bool) {
	if _, up := w.up(a, b); !up {
		return 0, false
	}
	forth := w.nodes[a].engine.author.links[w.nodes[b].id.Fingerprint()]
	back := w.nodes[b].engine.author.links[w.nodes[a].id.Fingerprint()]
	if w.measured {
		return forth.latest.worse(back.latest).cost(), true
	}
	return forth.worse(back.quality).cost(), true
}

// paths calls found with every way through 1 to MaxRelays relays, and what it costs: the reference for routes.
func (w *world) paths(from, to int, found func(relays []int, cost time.Duration)) {
	var walk func(at int, relays []int, sum time.Duration)
	walk = func(at int, relays []int, sum time.Duration) {
		if last, up := w.cost(at, to); up && len(relays) > 0 {
			found(relays, penalised(sum+last, len(relays)))
		}
		if len(relays) == MaxRelays {
			return
		}
	next:
		for relay, n := range w.nodes {
			if relay == from || relay == to || n.policy != AllowRelay {
				continue
			}
			for _, r := range relays {
				if r == relay {
					continue next
				}
			}
			if cost, up := w.cost(at, relay); up {
				walk(relay, append(relays[:len(relays):len(relays)], relay), sum+cost)
			}
		}
	}
	walk(from, nil, 0)
}

// disagreement says in what routes of some node differ from the reference; "": in nothing.
func (w *world) disagreement() string {
	for from := range w.nodes {
		for to := range w.nodes {
			if from == to || w.nodes[from].dead || w.nodes[to].dead {
				continue
			}
			if text := w.disagreementOf(from, to); text != "" {
				return text
			}
		}
	}
	return ""
}

func (w *world) disagreementOf(from, to int) string {
	dst := w.nodes[to].id.Fingerprint()
	best, second, ok := w.nodes[from].engine.Routes(dst)
	least, any := time.Duration(0), false
	w.paths(from, to, func(_ []int, cost time.Duration) {
		if !any || cost < least {
			least, any = cost, true
		}
	})
	if any != ok || ok && best.Cost != least {
		return fmt.Sprintf("%d to %d: route %v, cost %v, want any: %v, cost %v", from, to, w.indexes(best), best.Cost, any, least)
	}
	if cost, valid := w.nodes[from].engine.Cost(dst, best.Relays); ok && (!valid || cost != best.Cost) {
		return fmt.Sprintf("%d to %d: the best route costs %v, and asked for alone %v, %v", from, to, best.Cost, cost, valid)
	}
	return w.secondDisagreement(from, to, best, second)
}

// secondDisagreement is about the second route: it has to be the best of those that share no relay with the best, or where there is none,
// of those whose first relay is another one.
func (w *world) secondDisagreement(from, to int, best, second Route) string {
	var leasts [2]time.Duration
	avoid := w.indexes(best)
	w.paths(from, to, func(relays []int, cost time.Duration) {
		disjoint, first := true, true
		for _, r := range relays {
			for i, a := range avoid {
				disjoint = disjoint && a != r
				first = first && (i > 0 || a != r)
			}
		}
		for i, counts := range []bool{disjoint, first} {
			if counts && (leasts[i] == 0 || cost < leasts[i]) {
				leasts[i] = cost
			}
		}
	})
	want := leasts[0]
	if want == 0 {
		want = leasts[1]
	}
	if second.Cost != want {
		return fmt.Sprintf("%d to %d: second route %v, cost %v, want %v", from, to, w.indexes(second), second.Cost, want)
	}
	return ""
}

func (w *world) indexes(r Route) (list []int) {
	for _, id := range r.Relays {
		list = append(list, w.index[id])
	}
	return list
}

// mesh links all with all.
func (w *world) mesh(rtt time.Duration) {
	for i := range w.nodes {
		for j := range i {
			w.links[[2]int{j, i}] = &testLink{rtt, 0, true}
		}
	}
	for i := range w.nodes {
		w.measure(i)
	}
}
