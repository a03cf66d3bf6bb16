// Package linkstate says by which way a packet gets to a node that cannot be reached directly: every node tells all others which
// nodes it reaches itself, and how well, and each computes paths from what all of them say.
//
// Words. A link is what two nodes are to each other that reach each other directly; it is in use when both say that it is up. A page
// is a node's signed statement of some of its links: those to the nodes whose numbers begin with the same few bits. Each page has a
// stamp, which grows, over restarts too; a page counts until its node signs a newer one of the same range, or until it is 30 min old (in clusters of more than 100 nodes, older).
// A direct peer is a node to which this node has a link that is up. Flooding is how news gets to all nodes; a digest, exchanged with
// one direct peer at a time, finds what flooding lost. A relay is a node that passes packets on. A route is the relays in between.
//
// How it is used. Engine is the whole of it: SetMembers, SetLinks and SetPolicy say what this node knows by itself, Receive takes what
// a direct peer sent, Step returns what is to be sent and when to come back. After any of them Generation tells whether routes may
// have changed. Choice, one for each peer, decides whether packets go directly or along a route.
//
// Who may call. An Engine, a Choice and what they return belong to one goroutine. They have no clock, no goroutine and no socket:
// time, randomness and stamps are arguments. All times that an engine is given must come from one clock that never goes back (a
// time.Time with its monotonic reading is one).
//
// Always. What an engine holds is a function of the pages that it received, not of their order. Only pages of members whose signature
// matches are taken. A route has 1 to 3 relays, all of them members that let packets through, and no node twice. No message is longer
// than MaxMessage.
package linkstate
