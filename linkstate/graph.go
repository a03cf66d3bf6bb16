package linkstate

import (
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// Graph is what the nodes of a cluster say of their links, for people.
type Graph struct {
	Nodes []Node // the members, this node among them, in the order of their fingerprints
}

// Node is one member.
type Node struct {
	ID     trust.Fingerprint
	Number trust.Number
	Shared bool          // another member has the same number: neither takes part
	Silent bool          // no page of it is in force: it never said anything, or not for 30 min
	Relay  bool          // it passes packets of others on
	Age    time.Duration // since the oldest of its pages in force was signed
	Links  []GraphLink   // that it says are up, in the order of the peers' fingerprints
}

// GraphLink is a link as one end of it says.
type GraphLink struct {
	Peer  trust.Fingerprint
	RTT   RTTClass
	Loss  LossClass
	InUse bool          // the other end says that it is up, too
	Cost  time.Duration // see Cost; of the worse of both ends, where it is in use
	Age   time.Duration // since this end signed that it is up
}

// Graph is what all nodes say. Links to nodes that are no members here are left out. It takes about a microsecond for each end of a link:
// where that is too long, ask for one node after another.
func (e *Engine) Graph(now time.Time) Graph {
	var g Graph
	for _, id := range e.Members() {
		g.Nodes = append(g.Nodes, e.Node(id, now))
	}
	return g
}

// Members are those that take part, this node among them, in the order of their fingerprints.
func (e *Engine) Members() []trust.Fingerprint {
	list := make([]trust.Fingerprint, 0, len(e.members))
	for _, m := range e.members {
		list = append(list, m.id)
	}
	slices.SortFunc(list, func(a, b trust.Fingerprint) int { return slices.Compare(a[:], b[:]) })
	return list
}

// Node is what one node says. One that is no member is silent.
func (e *Engine) Node(id trust.Fingerprint, now time.Time) Node {
	n := Node{ID: id, Number: id.Number(), Silent: true, Shared: slices.Contains(e.shared, id.Number())}
	o := e.origins[n.Number]
	if o == nil || o.id != id {
		return n
	}
	for _, p := range o.pages {
		n.Silent, n.Age = false, max(n.Age, p.age(now))
	}
	if newest := o.newest(); newest != nil {
		n.Relay = newest.policy == AllowRelay
	}
	for _, peer := range e.statedBy(o) {
		n.Links = append(n.Links, e.graphLink(o.number, peer, now))
	}
	slices.SortFunc(n.Links, func(a, b GraphLink) int { return slices.Compare(a.Peer[:], b.Peer[:]) })
	return n
}

// statedBy are the members to which a node says it has a link, each once.
func (e *Engine) statedBy(o *origin) []trust.Number {
	var peers []trust.Number
	for _, p := range o.pages {
		peers = append(peers, peersOf(p.links)...)
	}
	slices.Sort(peers)
	return slices.DeleteFunc(slices.Compact(peers), func(n trust.Number) bool {
		_, up := o.to(n)
		return !up || e.origins[n] == nil
	})
}

func (e *Engine) graphLink(from, to trust.Number, now time.Time) GraphLink {
	by := e.origins[from].about(to)
	q, _ := by.to(to)
	l := GraphLink{Peer: e.origins[to].id, RTT: q.rtt, Loss: q.loss, Age: by.age(now)}
	if link, up := e.top.edge(e.top.slots[from], e.top.slots[to]); up {
		l.InUse, l.Cost = true, time.Duration(link.cost)*time.Microsecond
	}
	return l
}
