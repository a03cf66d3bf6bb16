// Package alive finds out whether what leads to a peer works, and how well: the watch of a link or path (Link), a measure of its losses
// (Meter), the memory of routes that failed (Failures), and which endpoint of the peer is the best (Selector).
//
// All are deterministic engines for one peer, and belong to one goroutine: time comes in as an argument, and what is to be done goes
// out; no socket, no clock. So the router and the simulator go by the same.
package alive
