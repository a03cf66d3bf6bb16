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

	members   map[trust.PublicKeys]trust.Fingerprint
	shared    []trust.Number                     // of several members, in ascending order
	origins   map[trust.Number]*origin           // this node, and the members whose number is theirs alone
	strangers map[trust.Number]trust.Fingerprint // origins of pages that were refused as they are no members, and who sent such a page

	author author
	stamp  uint64     // of the page signed last, or the highest that others have of this node
	direct []*ownLink // that are up, in the order of their fingerprints

	top        *topology
	finder     *finder
	generation uint64

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
		members: map[trust.PublicKeys]trust.Fingerprint{}, origins: map[trust.Number]*origin{},
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
	named := make(map[trust.Fingerprint]bool, len(links))
	turned := false
	for _, m := range links {
		named[m.Peer] = true
		turned = e.setLink(m, now) || turned
	}
	for id, l := range e.author.links {
		if !named[id] {
			turned = e.setLink(Link{Peer: id}, now) || turned
			if now.Sub(l.downs[0]) >= flapWindow {
				delete(e.author.links, id)
			}
		}
	}
	if turned {
		e.listDirect()
	}
}

// setLink takes a measurement of one link, and reports whether it went up or down.
func (e *Engine) setLink(m Link, now time.Time) (turned bool) {
	l := e.author.links[m.Peer]
	if l == nil {
		if !m.Up || m.Peer == e.self {
			return false
		}
		l = &ownLink{peer: m.Peer, number: m.Peer.Number()}
		e.author.links[m.Peer] = l
	}
	held := l.heldUntil()
	turned, classed := l.measure(m, now)
	if !turned && !classed {
		return false
	}
	e.author.changed = true
	switch _, stated := e.origins[e.number].to(l.number); {
	case turned && l.up:
		e.meet(m.Peer)
	case turned:
		e.author.urgent = e.author.urgent || stated
	}
	if !l.heldUntil().Equal(held) {
		e.stats.Held++
	}
	if e.isMember(l) {
		e.relink(e.number, l.number)
	}
	return turned
}

// meet notes that a link came up: both ends may know what the other does not. Where many come up at once, a few of them will do.
func (e *Engine) meet(peer trust.Fingerprint) {
	if len(e.greet) < maxGreet && !slices.Contains(e.greet, peer) {
		e.greet = append(e.greet, peer)
	}
}

// listDirect makes direct anew.
func (e *Engine) listDirect() {
	e.direct = e.direct[:0]
	for _, l := range e.author.links {
		if l.up {
			e.direct = append(e.direct, l)
		}
	}
	slices.SortFunc(e.direct, func(a, b *ownLink) int { return slices.Compare(a.peer[:], b.peer[:]) })
}

// SetPolicy says whether this node passes packets of others on: AllowRelay at first.
func (e *Engine) SetPolicy(p Policy) {
	if e.author.policy != p {
		e.author.policy, e.author.changed = p, true
	}
}

// Generation changes whenever a result of Routes, Cost or Direct may have changed.
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
