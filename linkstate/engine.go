package linkstate

import (
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// Engine holds what all nodes say of their links. See the package's comment for who may call it, and when.
type Engine struct {
	cfg    Config
	self   trust.Fingerprint
	number trust.Number
	stats  Stats

	members   map[trust.PublicKeys]*member
	holders   map[trust.Number][]trust.PublicKeys // of each number: its members, this node among them
	shared    []trust.Number                      // of several members, in ascending order
	origins   map[trust.Number]*origin            // this node, and the members whose number is theirs alone
	strangers map[trust.Number]trust.Fingerprint  // origins of pages that were refused as they are no members, and who sent such a page

	author author
	stamp  uint64     // of the page signed last, or the highest that others have of this node
	told   uint64     // calls of SetMembers and SetLinks
	direct []*ownLink // that are up, in the order of their fingerprints

	top        *topology
	finder     *finder
	generation uint64
	changed    bool      // the graph, since generation
	nextChange time.Time // no sooner generation changes for it

	out        outbox
	peers      map[trust.Fingerprint]*peerState
	asked      map[want]time.Time
	greet      []trust.Fingerprint // peers whose link came up, without an exchange since
	nextGreet  time.Time
	nextDigest time.Time // zero: before the first Step
	hurry      bool      // the next digest is due soon
	answered   bucket    // summaries that differed
	nextExpiry time.Time // no page expires before
}

// peerState is what a peer caused.
type peerState struct {
	forged    bucket // pages whose signature did not match
	answers   bucket // messages that it asked for
	summaries bucket // that it sent, and that differed
}

const maxStrangers = 256

// New makes the engine of a node without members and links.
func New(cfg Config) *Engine {
	e := &Engine{
		cfg: cfg, self: cfg.Identity.Fingerprint(), number: cfg.Identity.Fingerprint().Number(),
		members: map[trust.PublicKeys]*member{}, holders: map[trust.Number][]trust.PublicKeys{}, origins: map[trust.Number]*origin{},
		strangers: map[trust.Number]trust.Fingerprint{}, peers: map[trust.Fingerprint]*peerState{}, asked: map[want]time.Time{},
		author: author{links: map[trust.Fingerprint]*ownLink{}}, generation: 1,
	}
	e.top = newTopology(e.self)
	e.finder = newFinder(e.top)
	e.origins[e.number] = &origin{id: e.self, number: e.number, keys: cfg.Identity.Public()}
	return e
}

// SetLinks says how this node reaches its direct peers: all of them, each time. What is measured is turned into classes, with
// hysteresis. Links to nodes that are no members count as soon as they are. Calling it with what was said before costs little.
func (e *Engine) SetLinks(links []Link, now time.Time) {
	e.told++
	for _, m := range links {
		l := e.author.links[m.Peer]
		switch {
		case l == nil && (!m.Up || m.Peer == e.self):
			continue
		case l == nil:
			l = &ownLink{peer: m.Peer, number: m.Peer.Number()}
			e.author.links[m.Peer] = l
		}
		l.told = e.told
		e.setLink(l, m, now)
	}
	for id, l := range e.author.links {
		if l.told == e.told {
			continue
		}
		e.setLink(l, Link{Peer: id}, now)
		if now.Sub(l.downs[0]) >= flapWindow {
			delete(e.author.links, id)
		}
	}
	e.announce(now)
}

// setLink takes a measurement of one link.
func (e *Engine) setLink(l *ownLink, m Link, now time.Time) {
	held, known := l.heldUntil(), l.known
	turned, classed := l.measure(m, now)
	if !turned && !classed {
		return
	}
	if turned || !known {
		e.author.changed = true
	}
	e.author.classed = true
	switch _, stated := e.origins[e.number].to(l.number); {
	case turned && l.up:
		e.listDirect(l)
		e.meet(m.Peer)
	case turned:
		e.unlistDirect(l)
		e.author.urgent = e.author.urgent || stated
	}
	if !l.heldUntil().Equal(held) {
		e.stats.Held++
	}
	if e.isMember(l) {
		e.relink(e.origins[e.number], e.origins[l.number])
	}
}

// meet notes that a link came up: both ends may know what the other does not. Where many come up at once, a few of them will do.
func (e *Engine) meet(peer trust.Fingerprint) {
	if len(e.greet) < maxGreet && !slices.Contains(e.greet, peer) {
		e.greet = append(e.greet, peer)
	}
}

// listDirect adds a link that came up to direct.
func (e *Engine) listDirect(l *ownLink) {
	i, _ := slices.BinarySearchFunc(e.direct, l, compareLinks)
	e.direct = slices.Insert(e.direct, i, l)
}

// unlistDirect takes a link that went down out of direct.
func (e *Engine) unlistDirect(l *ownLink) {
	if i, found := slices.BinarySearchFunc(e.direct, l, compareLinks); found {
		e.direct = slices.Delete(e.direct, i, i+1)
	}
}

// SetPolicy says whether this node passes packets of others on: AllowRelay at first.
func (e *Engine) SetPolicy(p Policy) {
	if e.author.policy != p {
		e.author.policy, e.author.changed = p, true
	}
}

// Generation changes when a result of Routes may have changed: at once when a link is lost that is in use, or a relay; for what was gained
// and for costs, within 0.1 s (in clusters of more than 100 nodes, longer in proportion), and then in Step.
func (e *Engine) Generation() uint64 { return e.generation }

// Stats are the counters since New.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Pages = e.pages()
	return s
}

// pages is how many pages are in force.
func (e *Engine) pages() int {
	n := 0
	for _, o := range e.origins {
		n += len(o.pages)
	}
	return n
}

// isMember reports whether a link leads to a member whose number is its own.
func (e *Engine) isMember(l *ownLink) bool {
	o := e.origins[l.number]
	return o != nil && o.id == l.peer
}

// isUp reports whether the link to a peer is up.
func (e *Engine) isUp(id trust.Fingerprint) bool {
	l := e.author.links[id]
	return l != nil && l.up
}

func (e *Engine) peer(id trust.Fingerprint) *peerState {
	p := e.peers[id]
	if p == nil {
		p = &peerState{}
		e.peers[id] = p
	}
	return p
}
