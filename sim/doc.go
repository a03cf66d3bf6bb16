// Package sim runs whole clusters in one process, in virtual time: 3 to 500 nodes, made of the engines of which real nodes are made, and an
// underlay between them that loses, delays, repeats and reorders what they send. A run is a function of its Config: the same seed sends
// the same bytes at the same nanosecond.
//
// Words. A World is one run: its clock, nodes and underlay. The underlay has a link for each ordered pair of nodes, and NATs. A stream
// is what a TCP connection for gossip comes to: it arrives whole, or not at all. A flow is packets that one node sends to another at
// an even rate, inside the overlay. A violation is something that must never happen, and did.
//
// What is real: claims and who owns what (mesh.Claimant, Set, Assign), sessions with all of their cryptography (encap.Session, Keypair: the
// bytes of handshakes, control, data and relay frames), link state (linkstate.Engine, Choice), the watches of links and paths, losses
// and failed routes (router/alive), hole punching (punch.Engine).
//
// What is a model of the real thing, which cannot be run without goroutines and sockets: the part of package router that joins these
// engines (who is called where, what a frame shows of the way that it came, when a path moves; the names are the same as there), and
// membership. Members are those whose claims are known; claims spread as package mesh spreads them, at once to a few and then in rounds
// of gossip; full exchanges go in streams; that a claim is missing shows by calls of its node. memberlist itself, with its probes and
// suspicions, is not here: mesh tests it in virtual time. A stream needs a way from its one end to the other, by the underlay or by an overlay path that works, as spliced ones do.
// Handshakes take no time, nothing limits their rate, and path MTUs are all the same.
//
// Always, checked at every event: a packet is delivered only to the node that its sender meant, which owns its destination; no frame
// visits a node twice; no two prefixes in force at a node overlap and have different owners. When a check fails the run ends, and a
// Report says what was sent shortly before, as a sequence diagram, and how to run the same again.
//
// A World belongs to one goroutine.
package sim
