package linkstate

import (
	"math/rand/v2"
	"time"

	"github.com/weftnet/weft/trust"
)

// MaxMessage is the longest body of a message in bytes: that of gossip packets, so that it fits a control frame everywhere.
const MaxMessage = 1100

// Config is what an Engine needs. All fields are needed but Shared.
type Config struct {
	// Identity signs this node's pages.
	Identity *trust.Identity
	// Stamp is a number that is larger in every run of the node than in those before, and never shrinks: the epoch of stamps in the
	// state directory, or the wall clock in milliseconds. The engine counts on from it by itself.
	Stamp func() uint64
	// Rand draws jitter, and peers for digests.
	Rand *rand.Rand
	// Shared is what engines of one goroutine have in common, in simulations of many nodes; nil: nothing.
	Shared *Shared
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
