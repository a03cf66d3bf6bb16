package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/trust"
)

// table is who owns what, as a node goes by it: what package node makes of the mesh's view and the paths that work.
type table struct {
	assignment mesh.Assignment
	conflicts  []mesh.Conflict
	claims     uint64 // of what claims it was made: gossip.news
	counts     bool   // assignment was made when the others were known
	stale      bool   // it is to be made anew
	lengths    []int
}

const (
	planDelay  = 5 * time.Millisecond // what comes together is planned once
	incumbency = 3 * time.Second      // as in package mesh
	keptFor    = 10 * time.Second     // likewise: how long owners of the run before are awaited
)

// replan makes the table anew soon.
func (n *Node) replan() {
	if !n.table.stale {
		n.table.stale = true
		n.later(planDelay, n.plan)
	}
}

// plan makes the table.
func (n *Node) plan() {
	t, g, now := &n.table, &n.gossip, n.w.now
	if !t.stale {
		return
	}
	t.stale = false
	if !g.exchanged.IsZero() && now.Sub(g.exchanged) >= keptFor {
		g.kept = nil
	}
	previous := t.assignment
	if !t.counts {
		previous = nil
	}
	t.counts = !g.exchanged.IsZero() && now.Sub(g.exchanged) >= incumbency
	if t.claims == g.news && len(t.conflicts) == 0 {
		return // all have what they claim, whoever is reached and whoever had it before
	}
	v := mesh.View{Claims: g.set.Claims(), Rules: mesh.Rules{Network: network}, Kept: g.kept}
	t.claims = g.news
	t.assignment, t.conflicts = v.Assign(previous, n.reach)
	t.lengths = t.lengths[:0]
	for p := range t.assignment {
		if !slices.Contains(t.lengths, p.Bits()) {
			t.lengths = append(t.lengths, p.Bits())
		}
	}
	slices.Sort(t.lengths)
	n.w.checks.owners(n, t.assignment)
}

// reach is how a node is reached, as ownership goes by it.
func (n *Node) reach(id trust.Fingerprint) mesh.Reach {
	if p := n.peers[id]; id == n.self || p != nil && p.up {
		return mesh.Reached
	}
	return mesh.Unreached
}

// lookup is the owner of the longest prefix that has the address.
func (t *table) lookup(a netip.Addr) (owner trust.Fingerprint, ok bool) {
	for i := len(t.lengths) - 1; i >= 0; i-- {
		p, err := a.Prefix(t.lengths[i])
		if err != nil {
			continue
		}
		if owner, ok := t.assignment[p]; ok {
			return owner, true
		}
	}
	return owner, false
}

// owns reports whether the node claims the address.
func (n *Node) owns(a netip.Addr) bool {
	c := n.gossip.set.Get(n.self)
	return c != nil && slices.ContainsFunc(c.Subnets, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Subnet is the node's own subnet; false: it owns none yet.
func (n *Node) Subnet() (netip.Prefix, bool) {
	if !n.running {
		return netip.Prefix{}, false
	}
	c := n.gossip.claimant.Owned()
	if c == nil || len(c.Subnets) == 0 {
		return netip.Prefix{}, false
	}
	return c.Subnets[0], true
}

// Conflicts are those that the node sees.
func (n *Node) Conflicts() []mesh.Conflict { return n.table.conflicts }

// Owner is who owns a prefix at the node; nil: nobody.
func (n *Node) Owner(p netip.Prefix) *Node { return n.w.byID[n.table.assignment[p]] }

// lacks says what the node lacks to reach another one; "": nothing.
func (n *Node) lacks(other *Node) string {
	p := n.peers[other.self]
	claim := other.gossip.claimant.Owned()
	switch {
	case p == nil:
		return "does not know " + other.String()
	case !p.up:
		return "has no path to " + other.String()
	case claim == nil:
		return other.String() + " owns nothing yet"
	case p.claim.Version != claim.Version:
		return "has an old claim of " + other.String()
	}
	for _, s := range claim.Subnets {
		if n.table.assignment[s] != other.self {
			return s.String() + " of " + other.String() + " goes elsewhere"
		}
	}
	return ""
}

// Reaches reports whether the node has a path to another one, and sends it the packets for its subnet.
func (n *Node) Reaches(other *Node) bool { return n.lacks(other) == "" }

// PathTo says how the node reaches another one: through which relays; ok is false if it does not.
func (n *Node) PathTo(other *Node) (via []*Node, ok bool) {
	p := n.peers[other.self]
	if p == nil || !p.up {
		return nil, false
	}
	for _, id := range p.relay.names {
		via = append(via, n.w.byID[id])
	}
	return via, true
}

// Switches is how often the path to another node has moved while it was up, and deaths how often it was taken down.
func (n *Node) Switches(other *Node) (switches, deaths int) {
	if p := n.peers[other.self]; p != nil {
		return p.switches, p.deaths
	}
	return 0, 0
}
