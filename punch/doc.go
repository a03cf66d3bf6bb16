// Package punch decides when two nodes that reach each other, mostly through relays alone, call each other at all addresses that
// either might have: so that a direct path is found where there is one, also through NATs.
//
// Words. A candidate is an endpoint at which a node may be reached. An offer tells a peer our candidates; its answer tells its own.
// A call is a probe to all candidates of the peer. A round is an offer, its answer, and a few calls by both at about the same time: a
// NAT that filters lets in what comes from where its host has sent to just before (hole punching, RFC 5128, section 3.3; for TCP and
// UDP with endpoint-independent mapping, RFC 4787, section 4.1). Of two nodes one leads: it begins the rounds.
//
// The Engine is deterministic and pure: time comes in, what is to be sent comes out; no goroutine, no clock, no socket. One Engine is
// for one peer, and is used by one goroutine.
//
// Always. A peer can make us call what it names no more often than once in leastPause; of each offer no more than
// encap.MaxCandidates are called, callCount times. Rounds that this node begins follow each other in pauses that grow to longestPause,
// until something is new. With a direct path there are none.
package punch
