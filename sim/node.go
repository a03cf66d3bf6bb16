package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/trust"
)

// capabilities are what all nodes say that they know.
const capabilities = encap.CapRelay | encap.CapCandidates

// Node is one node of a World.
type Node struct {
	w     *World
	index int
	addr  netip.AddrPort // its own; behind a NAT, a private one
	nat   *nat           // nil: addr is public

	id     *trust.Identity
	self   trust.Fingerprint
	number trust.Number
	epoch  uint64 // of its runs
	keys   int    // identities that it had

	// The rest is of one run.
	running bool
	rand    *rand.Rand
	local   *encap.Local
	stamp   func() encap.Stamp
	indexes map[uint32]*binding
	asked   map[uint32]*peer
	peers   map[trust.Fingerprint]*peer
	sorted  []*peer // by fingerprint
	numbers map[trust.Number]*peer
	links   links
	gossip  gossip
	table   table
	turning bool
	touched []*peer
	drops   map[string]int
	traffic traffic
	round   uint64 // of punching
	strays  time.Time
	through *peer // the relay that the frame in hand came from; nil: it came straight
}

// binding is what an index stands for.
type binding struct {
	peer *peer
	keys *encap.Keypair
}

func newNode(w *World, index int) *Node {
	n := &Node{w: w, index: index}
	n.newIdentity()
	return n
}

// newIdentity gives the node keys that it did not have before.
func (n *Node) newIdentity() {
	seed := make([]byte, 32)
	binary.BigEndian.PutUint64(seed, uint64(n.index)+1)
	binary.BigEndian.PutUint64(seed[8:], uint64(n.keys))
	id, err := trust.NewIdentity(seed)
	if err != nil {
		panic("sim: " + err.Error()) // the seed has the length
	}
	n.keys++
	n.id, n.self, n.number = id, id.Fingerprint(), id.Fingerprint().Number()
	n.w.byID[n.self] = n
}

// String is the node's name.
func (n *Node) String() string { return fmt.Sprintf("n%d", n.index) }

// public is the address at which the world sees the node.
func (n *Node) public() netip.Addr {
	if n.nat != nil {
		return n.nat.public
	}
	return n.addr.Addr()
}

// begin makes what one run of the node has.
func (n *Node) begin() {
	n.epoch++
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], n.w.cfg.Seed)
	binary.BigEndian.PutUint64(seed[8:], uint64(n.index))
	binary.BigEndian.PutUint64(seed[16:], n.epoch)
	random := rand.NewChaCha8(seed)
	n.running, n.rand = true, rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
	n.local = &encap.Local{Identity: n.id, Ring: n.w.ring, Name: n.String(), Rand: random, Settings: encap.Settings{
		Network: network, Encryption: true, MinVersion: 1, MaxVersion: 1, Lanes: 1, Ciphers: []encap.Cipher{encap.CipherChaCha20Poly1305},
		MTU: 1500, Capabilities: capabilities,
	}}
	n.stamp = encap.Stamps(n.epoch)
	n.indexes, n.asked = map[uint32]*binding{}, map[uint32]*peer{}
	n.peers, n.numbers, n.sorted, n.touched = map[trust.Fingerprint]*peer{}, map[trust.Number]*peer{}, nil, nil
	n.links = links{engine: linkstate.New(linkstate.Config{
		Identity: n.id, Stamp: func() uint64 { return n.epoch << 32 }, Rand: n.rand, Shared: &n.w.pages,
	})}
	if !n.w.cfg.Relay(n.index) {
		n.links.engine.SetPolicy(linkstate.RefuseRelay)
	}
	n.drops = map[string]int{}
	n.table = table{}
	n.strays = time.Time{}
}

// Bind implements encap.Indexes for the sessions of a peer.
func (p *peer) Bind(index uint32, k *encap.Keypair) { p.n.indexes[index] = &binding{p, k} }

// Release implements encap.Indexes.
func (p *peer) Release(index uint32) { delete(p.n.indexes, index) }

// jitter is a random duration in [0, d).
func (n *Node) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(n.rand.Int64N(int64(d)))
}

// later lets something happen in this run of the node.
func (n *Node) later(d time.Duration, do func()) { n.laterAt(n.w.now.Add(d), do) }

func (n *Node) laterAt(at time.Time, do func()) {
	epoch := n.epoch
	n.w.at(at, func() {
		if n.running && n.epoch == epoch {
			do()
			n.turn()
		}
	})
}

// turn does what follows from the events so far, as a turn of the router's control goroutine does.
func (n *Node) turn() {
	if n.turning || !n.running {
		return
	}
	n.turning = true
	now := n.w.now
	n.stepLinkState(now)
	n.touchRerouted()
	for len(n.touched) > 0 {
		p := n.touched[0]
		n.touched = n.touched[1:]
		p.touched = false
		n.stepPeer(p, now)
		n.stepLinkState(now)
	}
	n.turning = false
}

// touch makes a peer be stepped in this turn.
func (n *Node) touch(p *peer) {
	if !p.touched && n.peers[p.id] == p {
		p.touched = true
		n.touched = append(n.touched, p)
	}
}

// schedule makes a peer be stepped at a time.
func (n *Node) schedule(p *peer, due time.Time) {
	if soonest := n.w.now.Add(time.Millisecond); due.Before(soonest) {
		due = soonest
	}
	if !p.wake.IsZero() && !p.wake.After(due) && p.wake.After(n.w.now) {
		return // it is stepped before anyway
	}
	p.wake = due
	n.laterAt(due, func() {
		if p.wake.Equal(due) {
			p.wake = time.Time{}
			n.touch(p)
		}
	})
}

// know takes a claim of another node: it is a peer from now on, reached where the claim says.
func (n *Node) know(c *mesh.Claim) {
	p := n.peers[c.ID()]
	if p == nil {
		p = newPeer(n, c)
		n.peers[p.id], n.numbers[p.number] = p, p
		i, _ := slices.BinarySearchFunc(n.sorted, p, func(a, b *peer) int { return slices.Compare(a.id[:], b.id[:]) })
		n.sorted = slices.Insert(n.sorted, i, p)
		n.links.grown = true
	}
	if p.claim == nil || !slices.Equal(p.claim.Endpoints, c.Endpoints) {
		p.link.CallSoon(n.w.now)
		p.stray = netip.AddrPort{}
	}
	p.claim = c
	n.touch(p)
}
