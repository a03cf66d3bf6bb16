package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/trust"
)

// World is one run of a cluster. See the package's comment.
type World struct {
	cfg     Config
	now     time.Time
	rand    *rand.Rand // of the underlay, and of what tests draw
	events  events
	nodes   []*Node
	net     *underlay
	journal *journal
	checks  checks
	faults  faults
	flows   []*Flow
	places  int // addresses that were given

	ring   *trust.Ring
	pages  linkstate.Shared
	claims map[string]*mesh.Claim // decoded, by their bytes
	byID   map[trust.Fingerprint]*Node
}

// epoch is when every World begins.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// New makes a World in which no node runs yet.
func New(cfg Config) *World {
	w := &World{
		cfg: cfg.withDefaults(), now: epoch, rand: rand.New(rand.NewPCG(cfg.Seed, 1)),
		ring: trust.NewRing(trust.Secret(make([]byte, trust.SecretLen)).Derive()), claims: map[string]*mesh.Claim{},
		byID: map[trust.Fingerprint]*Node{},
	}
	w.journal = newJournal(w.cfg.Lines)
	w.net = newUnderlay(w)
	for range cfg.Nodes {
		w.Add()
	}
	return w
}

// Add adds a node that does not run yet, and returns its index.
func (w *World) Add() int {
	n := newNode(w, len(w.nodes))
	w.nodes = append(w.nodes, n)
	w.net.side = append(w.net.side, 0)
	w.place(n, w.cfg.NAT(n.index))
	return n.index
}

func (w *World) place(n *Node, kind NATKind) {
	w.places++
	w.net.place(n, kind, w.places)
}

// Node is a node by its index.
func (w *World) Node(i int) *Node { return w.nodes[i] }

// Now is the time in the World.
func (w *World) Now() time.Time { return w.now }

// Rand is the source of what tests draw: it is the World's own, so that a seed replays that as well.
func (w *World) Rand() *rand.Rand { return w.rand }

// Link is how datagrams get from one node to another, in this direction. It may be changed.
func (w *World) Link(from, to int) *Link { return w.net.link(from, to) }

// Cut cuts or restores the link of two nodes, in both directions.
func (w *World) Cut(a, b int, down bool) {
	w.net.link(a, b).Down, w.net.link(b, a).Down = down, down
}

// Partition divides the nodes: those reach each other that side gives the same number. nil: all do.
func (w *World) Partition(side func(node int) int) {
	for i := range w.net.side {
		if w.net.side[i] = 0; side != nil {
			w.net.side[i] = side(i)
		}
	}
}

// at lets something happen; it is not in the past.
func (w *World) at(at time.Time, do func()) { w.events.add(at, do) }

// After lets a test do something at a time from now.
func (w *World) After(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

// Run lets time pass, or ends with the first violation.
func (w *World) Run(d time.Duration) { w.runUntil(w.now.Add(d)) }

func (w *World) runUntil(end time.Time) {
	for w.checks.violation == "" {
		e, ok := w.events.next(end)
		if !ok {
			w.now = end
			return
		}
		w.now = e.at
		e.do()
	}
}

// Await lets time pass until a condition holds, and says how long that took: to lookEvery. ok is false if it does not within limit.
func (w *World) Await(limit time.Duration, done func() bool) (took time.Duration, ok bool) {
	begin := w.now
	for w.checks.violation == "" {
		if done() {
			return w.now.Sub(begin), true
		}
		if w.now.Sub(begin) >= limit {
			break
		}
		w.Run(lookEvery)
	}
	return w.now.Sub(begin), false
}

const lookEvery = 50 * time.Millisecond

// Converged reports whether all nodes that run, and are on one side, know and reach each other and agree who owns what. why says what is
// missing.
func (w *World) Converged() (why string, ok bool) {
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if a == b || !a.running || !b.running || w.net.side[a.index] != w.net.side[b.index] {
				continue
			}
			if why := a.lacks(b); why != "" {
				return fmt.Sprintf("%v: %s", a, why), false
			}
		}
	}
	return "", true
}

// claim reads a claim; all nodes share what was read, which nobody changes.
func (w *World) claim(raw []byte) *mesh.Claim {
	if c := w.claims[string(raw)]; c != nil {
		return c
	}
	c, err := mesh.DecodeClaim(raw)
	if err != nil {
		panic("sim: " + err.Error()) // nobody forges here
	}
	w.claims[string(raw)] = c
	return c
}
