// Package mesh knows who is in the cluster and what each node owns.
//
// Words. A claim is a node's signed statement of what it is and owns; only its owner raises its version. The set holds
// every node's newest claim. Ownership says who owns which prefix, as a function of the set alone; an Assignment is what
// a router does about it: it keeps a prefix where it works. A subnet belongs to one node; to a route, a network behind nodes,
// several gateways may lead, one of them active and the others standby. A departure is a node's signed goodbye. A call is an attempt
// to reach a seed or a known peer that is not a member now. A clone is another live node with our own key.
//
// Membership (who is alive) is hashicorp/memberlist over a transport of ours. Its names are key fingerprint and boot
// nonce, so that a restart is a new name; its addresses are made from the key and mean nothing: packets and streams find
// a node by its name, through the Underlay. Claims and departures travel as memberlist user messages and in its
// push/pull; they are kept and passed on as the bytes that their owner signed.
//
// Ownership of state. One goroutine, the owner, holds all state: it is the one inside Run. memberlist's callbacks, calls
// and the methods of Mesh only post to its mailbox. What others read is a snapshot: the View, the address book of the
// transport, the state that a push/pull sends. Config.OnView, Config.Forbidden and Config.Movable are called by the owner
// goroutine; Forbidden also by whoever calls View.Assign.
//
// Always. Merging claims is idempotent, commutative and associative. Nothing from the network is acted upon before its
// signature is checked, and every decoder is bounded. An owner that is reachable never loses a subnet to another.
package mesh
