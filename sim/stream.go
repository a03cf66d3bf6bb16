package sim

import (
	"math"
	"time"

	"github.com/weftnet/weft/mesh"
)

// callSeeds exchanges with a seed that is not reached, again and again. Seeds are known by name: where they are is looked up each time.
func (n *Node) callSeeds() {
	g := &n.gossip
	var list []*Node
	for _, i := range g.seeds {
		if p := n.peers[n.w.nodes[i].self]; p == nil || !p.up {
			list = append(list, n.w.nodes[i])
		}
	}
	if len(list) == 0 {
		g.pause = callFirst
		n.later(callMost, n.callSeeds)
		return
	}
	n.exchange(list[n.rand.IntN(len(list))])
	n.later(min(g.pause/2+n.jitter(g.pause), callMost), n.callSeeds)
	g.pause = min(2*g.pause, callMost)
}

// laterPushPull makes a full exchange with a member that is drawn, from time to time: the more seldom, the more members there are, as
// memberlist does.
func (n *Node) laterPushPull() {
	every := pushPullEvery
	if size := float64(len(n.sorted) + 1); size > pushPullSmall {
		every *= time.Duration(math.Ceil(math.Log2(size)-math.Log2(pushPullSmall)) + 1)
	}
	n.later(every/2+n.jitter(every), func() {
		for _, p := range n.someUp(1) {
			n.exchange(n.w.byID[p.id])
		}
		n.laterPushPull()
	})
}

// streamRounds is how many round trips come before the first byte of a request: those of TCP, and of the hello.
const streamRounds = 2

// exchange sends another node all claims and gets all of its own, in a stream.
func (n *Node) exchange(to *Node) {
	n.gossip.latest = n.w.now
	if !n.streams(to) {
		return
	}
	trip := n.w.net.between(n.index, to.index).Delay + n.w.net.between(to.index, n.index).Delay
	n.later(streamRounds*trip, func() {
		if n.streams(to) {
			n.stream(to, trip/2, func() { to.stream(n, trip/2, func() {}) })
		}
	})
}

// streams reports whether a stream to a node comes about: where it listens, or through peers that both reach.
func (n *Node) streams(to *Node) bool {
	if to == n || !to.running {
		return false
	}
	p := n.peers[to.self]
	return n.w.net.dials(n, to) || p != nil && p.up
}

// stream sends all claims to a node by a stream that there is; what follows comes then.
func (n *Node) stream(to *Node, delay time.Duration, then func()) {
	list := n.gossip.set.Claims()
	n.countStream(to, list)
	n.w.at(n.w.now.Add(delay), func() {
		if to.running && n.running && n.w.net.side[n.index] == n.w.net.side[to.index] {
			to.merge(list)
			then()
			to.turn()
		}
	})
}

// countStream notes what a stream carries: claims, and headers of TCP for each 1400 bytes.
func (n *Node) countStream(to *Node, list []*mesh.Claim) {
	size := 64
	for _, c := range list {
		size += len(c.Raw()) + 4
	}
	n.w.journal.sent(n.w.now, n, to, to.addr, "exchange of claims", make([]byte, size))
	n.traffic.count(Claims, size+size/1400*52)
}

// merge takes all claims of another node.
func (n *Node) merge(list []*mesh.Claim) {
	g := &n.gossip
	if g.exchanged.IsZero() {
		g.exchanged = n.w.now
		n.later(incumbency, n.replan)
		n.later(keptFor, n.replan)
	}
	g.claimant.Exchanged()
	for _, c := range list {
		n.takeClaim(c)
	}
	n.claimOurs()
}
