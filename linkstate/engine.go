package linkstate

import (
	"math/rand/v2"
	"time"

	"github.com/weftnet/weft/trust"
)

// MaxMessage is the longest body of a message in bytes: that of gossip packets, so that it fits a control frame everywhere.
const MaxMessage = 1100

// Config is what an Engine needs. All fields are needed.
type Config struct {
	// Identity signs this node's pages.
	Identity *trust.Identity
	// Stamp is a number that is larger in every run of the node than in those before, and never shrinks: the epoch of stamps in the
	// state directory, or the wall clock in milliseconds. The engine counts on from it by itself.
	Stamp func() uint64
	// Rand draws jitter, and peers for digests.
	Rand *rand.Rand
}

// Link is what this node measured of its link to a peer. Only peers that understand link state are named
// (capability bit 3): others neither relay nor are relayed to.
type Link struct {
	Peer trust.Fingerprint
	RTT  time.Duration // smoothed; 0: not known yet, which counts as 100 ms
	Loss float64       // share of probes that were lost lately, 0 to 1
	Up   bool          // a link that is not named is down
}

// Policy says whether a node passes packets of others on.
type Policy uint8

// The policies, as on the wire. What is not known here counts as RefuseRelay.
const (
	AllowRelay  Policy = 0
	RefuseRelay Policy = 1
)

// Message is a body for one direct peer, to be sent in a control frame. It is the caller's.
type Message struct {
	To   trust.Fingerprint
	Body []byte
}

// Route is a way to a node through others.
type Route struct {
	Relays []trust.Fingerprint // 1 to MaxRelays, the first is a direct peer. Borrowed: not to be changed
	Cost   time.Duration       // see Cost
}

// Engine holds what all nodes say of their links. See the package's comment for who may call it, and when.
type Engine struct {
	cfg   Config
	self  trust.Fingerprint
	stats Stats
}

// New makes the engine of a node without members and links.
func New(cfg Config) *Engine { return &Engine{cfg: cfg, self: cfg.Identity.Fingerprint()} }

// SetMembers says which nodes take part; this node itself need not be among them. Pages of others are dropped, and none are taken.
// Nodes that share their number with another member take no part in link state, neither as relay nor as destination: it returns such
// numbers, in ascending order, so that the caller can say so.
func (e *Engine) SetMembers(members []trust.PublicKeys) (shared []trust.Number) { return nil }

// SetLinks says how this node reaches its direct peers: all of them, each time. What is measured is turned into classes, with
// hysteresis. Peers that are no members are left out. Calling it with what was said before costs little.
func (e *Engine) SetLinks(links []Link, now time.Time) {}

// SetPolicy says whether this node passes packets of others on: AllowRelay at first.
func (e *Engine) SetPolicy(p Policy) {}

// Receive takes the body of a link state frame that a node sent within its session. body is not kept. It reports whether routes may
// have changed. Errors wrap ErrMessage (it cannot be read), ErrSigner (not by whom it says, or not a member), or ErrFlood (too much of
// it); Stats counts them. None of them needs an answer. Call Step afterwards: there may be something to send at once.
func (e *Engine) Receive(from trust.Fingerprint, body []byte, now time.Time) (changed bool, err error) {
	return false, nil
}

// Step returns what is to be sent now, and when it wants to be called again at the latest: next is after now. Call it too after
// SetMembers, SetLinks, SetPolicy and Receive. It returns at most maxBurst messages at a time. A message that cannot be sent may be
// thrown away.
func (e *Engine) Step(now time.Time) (send []Message, next time.Time) {
	return nil, now.Add(time.Second)
}

// Generation changes whenever a result of Routes or Direct may have changed.
func (e *Engine) Generation() uint64 { return 0 }

// Member finds the member of a number. ok is false where none has it, and where several have.
func (e *Engine) Member(n trust.Number) (id trust.Fingerprint, ok bool) {
	return trust.Fingerprint{}, false
}

// Routes are the best way to dst through relays, and the best one that has no relay in common with it; without one of those, the best
// that has another first relay, else none (no Relays). ok is false where there is no way at all. The direct link is not considered.
// Results are computed when asked for, and kept until Generation changes.
func (e *Engine) Routes(dst trust.Fingerprint) (best, second Route, ok bool) {
	return Route{}, Route{}, false
}

// Direct is the cost of the direct link to dst, comparable with that of a Route; ok is false where it is not up here. That the other
// end says so too is not asked for.
func (e *Engine) Direct(dst trust.Fingerprint) (cost time.Duration, ok bool) { return 0, false }

// Graph is what all nodes say, for people.
func (e *Engine) Graph(now time.Time) Graph { return Graph{} }

// Stats are the counters since New.
func (e *Engine) Stats() Stats { return e.stats }
