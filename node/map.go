package node

import (
	"cmp"
	"slices"
	"time"

	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

// Map is the graph of the cluster by link state, with the names and states that the mesh knows, as 'weft map' shows it.
func (n *Node) Map() (*api.Map, error) {
	graph, err := n.router.LinkState()
	if err != nil {
		return nil, err
	}
	n.state.mu.Lock()
	members := n.state.view.Members
	n.state.mu.Unlock()
	return newAtlas(n.identity.Fingerprint(), n.config().Name, graph, members).draw(), nil
}

// atlas is what a map is drawn from.
type atlas struct {
	self  trust.Fingerprint
	graph linkstate.Graph
	nodes map[trust.Fingerprint]api.MapNode
}

func newAtlas(self trust.Fingerprint, name string, graph linkstate.Graph, members []mesh.Member) *atlas {
	a := &atlas{self: self, graph: graph, nodes: map[trust.Fingerprint]api.MapNode{}}
	a.know(self, name, api.MapSelf)
	for _, m := range members {
		switch {
		case m.ID == self:
		case m.Alive:
			a.know(m.ID, m.Name, api.MapAlive)
		case m.Left:
			a.know(m.ID, m.Name, api.MapLeft)
		default:
			a.know(m.ID, m.Name, api.MapDead)
		}
	}
	for _, said := range graph.Nodes {
		a.tell(said)
	}
	return a
}

// know notes a member, which has said nothing of its links yet.
func (a *atlas) know(id trust.Fingerprint, name, state string) {
	a.nodes[id] = api.MapNode{Name: name, ID: id.String(), Number: id.Number().String(), State: state, Silent: true}
}

// tell notes what a node says. One that the mesh has forgotten since is no member.
func (a *atlas) tell(said linkstate.Node) {
	node, known := a.nodes[said.ID]
	if !known {
		return
	}
	node.Silent, node.Shared, node.Age = said.Silent, said.Shared, said.Age.Milliseconds()
	switch {
	case said.Silent:
	case said.Relay:
		node.Relay = api.RelayAllowed
	default:
		node.Relay = api.RelayRefused
	}
	a.nodes[said.ID] = node
}

func (a *atlas) draw() *api.Map {
	m := &api.Map{Self: a.self.String(), Nodes: []api.MapNode{}, Links: []api.MapLink{}}
	for _, node := range a.nodes {
		m.Nodes = append(m.Nodes, node)
	}
	slices.SortFunc(m.Nodes, func(x, y api.MapNode) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID)) })
	for _, pair := range a.pairs() {
		m.Links = append(m.Links, a.link(pair))
	}
	slices.SortFunc(m.Links, func(x, y api.MapLink) int {
		return cmp.Or(cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B), cmp.Compare(x.AID, y.AID), cmp.Compare(x.BID, y.BID))
	})
	return m
}

// pair is what the two ends of a link say; nil: the end does not say that it is up.
type pair struct {
	a, b     trust.Fingerprint // a's name comes first
	byA, byB *linkstate.GraphLink
}

// pairs are the links that one end at least says are up.
func (a *atlas) pairs() map[[2]trust.Fingerprint]*pair {
	pairs := map[[2]trust.Fingerprint]*pair{}
	for _, node := range a.graph.Nodes {
		for i := range node.Links {
			a.said(pairs, node.ID, &node.Links[i])
		}
	}
	return pairs
}

func (a *atlas) said(pairs map[[2]trust.Fingerprint]*pair, by trust.Fingerprint, link *linkstate.GraphLink) {
	from, known := a.nodes[by]
	to, also := a.nodes[link.Peer]
	if !known || !also {
		return
	}
	p := &pair{a: by, b: link.Peer, byA: link}
	if cmp.Or(cmp.Compare(to.Name, from.Name), cmp.Compare(to.ID, from.ID)) < 0 {
		p = &pair{a: link.Peer, b: by, byB: link}
	}
	key := [2]trust.Fingerprint{p.a, p.b}
	if other := pairs[key]; other != nil {
		p.byA, p.byB = cmp.Or(p.byA, other.byA), cmp.Or(p.byB, other.byB)
	}
	pairs[key] = p
}

func (a *atlas) link(p *pair) api.MapLink {
	l := api.MapLink{
		A: a.nodes[p.a].Name, B: a.nodes[p.b].Name, AID: p.a.String(), BID: p.b.String(), UpA: p.byA != nil, UpB: p.byB != nil,
	}
	var rtt linkstate.RTTClass
	var loss linkstate.LossClass
	for _, by := range []*linkstate.GraphLink{p.byA, p.byB} {
		if by == nil {
			continue
		}
		rtt, loss = max(rtt, by.RTT), max(loss, by.Loss)
		l.InUse, l.Cost, l.Age = l.InUse || by.InUse, max(l.Cost, milliseconds(by.Cost)), max(l.Age, by.Age.Milliseconds())
	}
	from, to := rtt.Range()
	l.RTT, l.RTTFrom, l.RTTTo = rtt.String(), milliseconds(from), milliseconds(to)
	l.Loss, l.Lossy = loss.String(), int(loss)
	return l
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
