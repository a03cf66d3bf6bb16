// Package simnet is an underlay in memory, for tests: hosts with addresses, UDP ports that are encap.Ports, and TCP.
//
// Words. A path leads from one host's address to another's. It is cut between hosts that Cut names, and while one of the
// two addresses belongs to nobody. On a cut path UDP is lost, and TCP stands still until the path is back.
//
// Ownership. Everything may be used from any goroutine. There are no goroutines here; what is on its way waits at the
// receiver, which waits with channels and timers. So it runs in a testing/synctest bubble, in virtual time, and the same
// seed and the same order of calls lose the same frames.
//
// Always. UDP between two hosts keeps its order unless there is jitter. TCP loses nothing.
package simnet
