// Package router moves packets between a TUN device and the peers.
//
// Words. A lane is one device queue, its sockets and the loops between them. The table says which peer owns which
// prefix; a path says how a peer is reached now. A drop reason names why a packet was not delivered; every packet that
// the router takes from the device or the port and does not pass on is counted under exactly one. A hold leaves packets in the
// device, where they wait, until there are paths; a pause is a stop after which another process goes on with device and port.
//
// Ownership. One control goroutine owns peers, sessions, paths and probes, and is spoken to through mailboxes. The
// loops of a lane read immutable snapshots (table, index map) and atomic pointers (path, current keypair); they take no
// lock, write no map, allocate nothing and log nothing per packet.
//
// Always. The inner source of a packet lies in what its sender owns or is standby for, in both directions, sealed or not. A packet goes
// to a peer only while our own probes of its path are answered. With encryption on, no data frame leaves in clear; and no path leads to
// an endpoint that Config.Bars.
package router
