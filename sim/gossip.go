package sim

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/trust"
)

// gossip is how claims get about: what package mesh does, with a model of memberlist's rounds and full exchanges.
type gossip struct {
	claimant  *mesh.Claimant
	set       *mesh.Set
	news      uint64 // claims that set took
	seeds     []int
	kept      mesh.Assignment // of the run before
	queue     []broadcast
	ticking   bool
	exchanged time.Time // first; zero: never
	latest    time.Time // when this node began an exchange last
	pause     time.Duration
	seenAs    []netip.AddrPort           // where others see this node, those on which two agree first
	agreed    int                        // of seenAs
	missing   map[trust.Fingerprint]bool // members whose claim did not come
	syncWait  time.Duration
}

// broadcast is a claim that is sent some times more.
type broadcast struct {
	claim *mesh.Claim
	left  int
}

// As in package mesh, and memberlist's defaults where that has none.
const (
	eager          = 3                      // members that a claim which is news is sent at once
	gossipEvery    = 500 * time.Millisecond // between two rounds
	gossipNodes    = 3                      // members that a round goes to
	retransmitMult = 6
	maxGossip      = 1100
	pushPullEvery  = 30 * time.Second
	pushPullSmall  = 32 // members up to which that is so
	callFirst      = 200 * time.Millisecond
	callMost       = 30 * time.Second
	rejoinAfter    = 10 * time.Second // a member that was away for so long is exchanged with
	rejoinEvery    = 2 * time.Second
	bootNonceLen   = 16
)

// beginGossip begins a run: with what the run before knew, or nothing.
func (n *Node) beginGossip(seeds []int, before *gossip, kept mesh.Assignment) {
	g := &n.gossip
	*g = gossip{set: mesh.NewSet(), seeds: seeds, pause: callFirst, missing: map[trust.Fingerprint]bool{}}
	subnet := n.w.cfg.Subnet(n.index)
	g.claimant = mesh.NewClaimant(mesh.Config{
		Identity: n.id, Name: n.String(), Network: network, Subnet: subnet, Bootstrap: len(seeds) == 0,
	}, n.localFacts())
	if before != nil {
		g.kept = kept
		for _, c := range before.set.Claims() {
			n.keep(c)
			if c.ID() == n.self {
				g.claimant.Restore(c)
				continue
			}
			n.know(c)
		}
	}
	n.claimOurs()
	n.callSeeds()
	n.laterPushPull()
}

// localFacts are what the claim says of the node.
func (n *Node) localFacts() mesh.Local {
	return mesh.Local{
		Endpoints: append(n.privateAddresses(), n.gossip.seenAs[:n.gossip.agreed]...), UnderlayMTU: 1500,
		MinVersion: 1, MaxVersion: 1, Capabilities: capabilities,
	}
}

func (n *Node) privateAddresses() []netip.AddrPort { return []netip.AddrPort{n.addr} }

// claimOurs publishes the node's claim if it should differ from what is out.
func (n *Node) claimOurs() {
	g := &n.gossip
	var others []*mesh.Claim
	if n.w.cfg.Subnet(n.index).Kind == mesh.KindAuto {
		others = slices.DeleteFunc(g.set.Claims(), func(c *mesh.Claim) bool { return c.ID() == n.self })
	}
	before := g.claimant.Owned()
	c, err := g.claimant.Step(n.w.now, others)
	if err != nil {
		n.w.checks.violate("%v: %v", n, err)
		return
	}
	if next := g.claimant.Next(); !next.IsZero() {
		n.laterAt(later(next, n.w.now.Add(time.Millisecond)), n.claimOurs)
	}
	if g.claimant.Owned() != before {
		n.replan()
	}
	if c != nil {
		n.keep(n.w.claim(c.Raw()))
		n.spread(c)
		n.replan()
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// keep adds a claim to those that are known, and reports whether it is news.
func (n *Node) keep(c *mesh.Claim) bool {
	news := n.gossip.set.Add(c)
	if news {
		n.gossip.news++
	}
	return news
}

// takeClaim takes a claim that came from another node.
func (n *Node) takeClaim(c *mesh.Claim) {
	g := &n.gossip
	if c.ID() == n.self {
		g.claimant.Hear(c)
		n.claimOurs()
		return
	}
	if !n.keep(c) {
		return
	}
	delete(g.missing, c.ID())
	n.know(c)
	n.spread(c)
	n.replan()
	if n.w.cfg.Subnet(n.index).Kind == mesh.KindAuto {
		n.claimOurs()
	}
}

// spread sends a claim that is news to a few members at once, and to others in the next rounds.
func (n *Node) spread(c *mesh.Claim) {
	g := &n.gossip
	g.queue = slices.DeleteFunc(g.queue, func(b broadcast) bool { return b.claim.ID() == c.ID() })
	times := retransmitMult * int(math.Ceil(math.Log10(float64(max(len(n.sorted), 9)+1))))
	g.queue = append(g.queue, broadcast{c, times})
	for _, p := range n.someUp(eager) {
		if p.id != c.ID() {
			n.tell(p, claimsMessage, c)
		}
	}
	if !g.ticking {
		g.ticking = true
		n.later(n.jitter(gossipEvery), n.gossipRound)
	}
}

// someUp draws members that are reached.
func (n *Node) someUp(most int) []*peer {
	var list []*peer
	for _, p := range n.sorted {
		if p.up {
			list = append(list, p)
		}
	}
	n.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(len(list), most)]
}

// gossipRound sends what waits to a few members.
func (n *Node) gossipRound() {
	g := &n.gossip
	for _, p := range n.someUp(gossipNodes) {
		slices.SortStableFunc(g.queue, func(a, b broadcast) int { return b.left - a.left })
		var list []*mesh.Claim
		size := 1
		for i := range g.queue {
			b := &g.queue[i]
			if size += 2 + len(b.claim.Raw()); b.left > 0 && size <= maxGossip {
				list = append(list, b.claim)
				b.left--
			}
		}
		n.tell(p, claimsMessage, list...)
	}
	g.queue = slices.DeleteFunc(g.queue, func(b broadcast) bool { return b.left <= 0 })
	if g.ticking = len(g.queue) > 0; g.ticking {
		n.later(gossipEvery, n.gossipRound)
	}
}

// The messages in gossip packets.
const (
	claimsMessage   = 1
	greetingMessage = 2 // a claim, to be answered with the receiver's own
)

// tell sends claims to a member: inside the session if there is a path, else without, to where it says that it is.
func (n *Node) tell(p *peer, what byte, list ...*mesh.Claim) {
	if len(list) == 0 {
		return
	}
	body := []byte{what}
	for _, c := range list {
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(c.Raw()))), c.Raw()...)
	}
	if p.up {
		n.sendControl(p, encap.Gossip, append(make([]byte, bootNonceLen), body...), p.endpoint())
		p.watch().Hope(n.w.now)
		n.touch(p)
		return
	}
	frame := encap.Header{Type: encap.GossipType}.Append(nil) // not sealed: there is nobody else
	frame = append(append(frame, n.self[:]...), body...)
	for _, e := range p.candidates() {
		n.traffic.count(Claims, len(frame)+encap.TagLen+encap.CounterLen)
		n.transmit(frame, e, "claims")
	}
}

// takeGossip takes a gossip packet of a session.
func (n *Node) takeGossip(from trust.Fingerprint, body []byte) {
	if len(body) > bootNonceLen {
		n.takeMessage(from, body[bootNonceLen:])
	}
}

// takeHearsay takes one without a session.
func (n *Node) takeHearsay(b []byte) {
	var from trust.Fingerprint
	if len(b) > len(from) {
		copy(from[:], b)
		n.takeMessage(from, b[len(from):])
	}
}

func (n *Node) takeMessage(from trust.Fingerprint, b []byte) {
	greeting := b[0] == greetingMessage
	for b = b[1:]; len(b) > 2; {
		size := int(binary.BigEndian.Uint16(b))
		n.takeClaim(n.w.claim(b[2 : 2+size]))
		b = b[2+size:]
	}
	if p := n.peers[from]; greeting && p != nil {
		n.tell(p, claimsMessage, n.ownClaim()...)
	}
}

func (n *Node) ownClaim() []*mesh.Claim {
	if c := n.gossip.set.Get(n.self); c != nil {
		return []*mesh.Claim{c}
	}
	return nil
}

// pathUp notes that a peer is reached again: it gets our claim at once, and after a longer time the rest as well.
func (n *Node) pathUp(p *peer) {
	n.replan()
	n.tell(p, greetingMessage, n.ownClaim()...)
	if n.w.now.Sub(p.downSince) >= rejoinAfter && n.w.now.Sub(n.gossip.latest) >= rejoinEvery {
		n.exchange(n.w.byID[p.id])
	}
}

// noteSeenAs notes where a peer sees this node. What two peers agree on is claimed.
func (n *Node) noteSeenAs(p *peer, at netip.AddrPort) {
	if !at.IsValid() || at == p.seenAs {
		return
	}
	p.seenAs = at
	if at == n.addr {
		return
	}
	counts := map[netip.AddrPort]int{}
	for _, q := range n.sorted {
		if q.seenAs.IsValid() && q.seenAs != n.addr {
			counts[q.seenAs]++
		}
	}
	n.claimSeen(counts)
}

func (n *Node) claimSeen(counts map[netip.AddrPort]int) {
	list := make([]netip.AddrPort, 0, len(counts))
	for at := range counts {
		list = append(list, at)
	}
	slices.SortFunc(list, func(a, b netip.AddrPort) int {
		if d := min(counts[b], 2) - min(counts[a], 2); d != 0 {
			return d
		}
		return a.Compare(b)
	})
	g := &n.gossip
	g.seenAs, g.agreed = list[:min(len(list), 4)], 0
	for _, at := range g.seenAs {
		if counts[at] >= 2 {
			g.agreed++
		}
	}
	g.claimant.SetLocal(n.localFacts())
	n.claimOurs()
}
