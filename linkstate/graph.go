package linkstate

import (
	"time"

	"github.com/weftnet/weft/trust"
)

// Graph is what the nodes of a cluster say of their links, for `weft map`.
type Graph struct {
	Nodes []Node // the members, in the order of their fingerprints
}

// Node is one member. One that never said anything, or not for 30 min, is Silent, and then the links that others say they have to it
// stand with those others alone.
type Node struct {
	ID     trust.Fingerprint
	Number trust.Number
	Silent bool
	Shared bool          // its number is another member's too: it takes no part
	Relay  bool          // it passes packets of others on
	Age    time.Duration // since the oldest of its pages in force was signed, roughly
	Links  []GraphLink   // in the order of the peers' fingerprints
}

// GraphLink is a link as one end of it says.
type GraphLink struct {
	Peer  trust.Fingerprint
	RTT   RTTClass
	Loss  LossClass
	InUse bool          // the other end says so too
	Cost  time.Duration // of the worse of both ends; only where it is in use
}
