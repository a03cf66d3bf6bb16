package router

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/trust"
)

// links is this node's part in link state: what it says of its direct links, and what it has heard of those of others. The control
// goroutine owns it.
type links struct {
	engine  *linkstate.Engine
	members []trust.PublicKeys // as the engine was told
	dirty   bool               // a link has come or gone
	told    time.Time          // when the engine was told of links last
	next    time.Time          // when it wants to act
}

// linksEvery is how often the engine hears what was measured, while no link comes or goes. It has classes and hysteresis of its own.
const linksEvery = 5 * time.Second

func newLinks(cfg *Config) links {
	epoch := cfg.Stamp().Epoch
	return links{engine: linkstate.New(linkstate.Config{
		Identity: cfg.Local.Identity, Stamp: func() uint64 { return epoch }, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	})}
}

// setMembers tells the engine who takes part: the members whose claims say that their build knows link state.
func (r *Router) setMembers(t *Table) {
	l := &r.links
	var members []trust.PublicKeys
	for i := range t.Peers {
		if t.Peers[i].Capabilities&encap.CapRelay != 0 {
			members = append(members, t.Peers[i].Keys)
		}
	}
	if slices.Equal(members, l.members) {
		return
	}
	l.members = members
	l.engine.SetMembers(members)
	l.dirty = true
}

// noteRelaying tells link state, and the choices of all peers, what this node makes of relays. It is for the control goroutine.
func (r *Router) noteRelaying() {
	policy := linkstate.AllowRelay
	if r.relaying.Load().Refuse {
		policy = linkstate.RefuseRelay
	}
	r.links.engine.SetPolicy(policy)
	r.links.dirty = true
	for _, p := range r.peers {
		p.relay.stale = true
	}
}

// stepLinkState tells the engine of the direct links, and sends what it wants to be sent. It returns how long nothing will be due.
func (r *Router) stepLinkState(now time.Time) time.Duration {
	l := &r.links
	measured := !now.Before(l.told.Add(linksEvery))
	if l.dirty || measured {
		l.engine.SetLinks(r.directLinks(), now)
		l.dirty, l.told, l.next = false, now, now
	}
	if !now.Before(l.next) {
		var send []linkstate.Message
		send, l.next = l.engine.Step(now)
		for _, m := range send {
			r.sendLinkState(m)
		}
	}
	return min(l.next.Sub(now), l.told.Add(linksEvery).Sub(now))
}

// directLinks are the links to peers that know link state.
func (r *Router) directLinks() []linkstate.Link {
	list := make([]linkstate.Link, 0, len(r.peers))
	for _, p := range r.peers {
		if p.isMeasured() {
			list = append(list, linkstate.Link{Peer: p.id, RTT: p.meter.RoundTrip(), Loss: p.meter.Surely(), Up: true})
		}
	}
	return list
}

// knowsRelays reports whether the peer's build knows relay frames and link state, and ours: by the session, for the claim of a peer that
// was replaced by an older build is not.
func (p *peer) knowsRelays() bool {
	keys := p.session.Current()
	return keys != nil && keys.Relays()
}

// graphStep is of how many nodes the graph is asked for at once: of a mesh of 500 that takes 8 ms, in which nothing else is done.
const graphStep = 16

// LinkState is what the nodes of the cluster say of their direct links. The error is ErrStopped.
func (r *Router) LinkState() (g linkstate.Graph, err error) {
	e := r.links.engine
	var members []trust.Fingerprint
	if err := r.call(func() { members = e.Members() }); err != nil {
		return g, err
	}
	for some := range slices.Chunk(members, graphStep) {
		stopped := r.call(func() {
			for _, id := range some {
				g.Nodes = append(g.Nodes, e.Node(id, r.now()))
			}
		})
		if stopped != nil {
			return g, stopped
		}
	}
	return g, nil
}

// sendLinkState sends a message of the engine by the direct link that it is for.
func (r *Router) sendLinkState(m linkstate.Message) {
	if p := r.peers[m.To]; p != nil && p.link.Up() && p.knowsRelays() {
		r.sendControl(p, encap.LinkState, m.Body, p.at())
	}
}

// takeLinkState takes a frame of link state.
func (r *Router) takeLinkState(p *peer, from encap.Endpoint, body []byte) {
	if _, relayed := from.Relayed(); relayed { // it is for direct peers: what comes through relays would go around their check of who says it
		r.ctl.drop(BadFrame, 1)
		return
	}
	if _, err := r.links.engine.Receive(p.id, body, r.now()); err != nil {
		r.ctl.drop(BadFrame, 1)
	}
	r.links.next = time.Time{}
}
