// Package pods is the daemon's side of pods: what the CNI plugin finds when it is called, and what stays right between its calls.
//
// Words. The lease is the file by which the plugin knows the node (package lease). A held record is what the address book has of a pod
// (package ipam). A pod lives here when it has a held record and its host end is there. A former subnet is one that the bridge still has
// a gateway of and that is not among the node's own any more.
//
// Ownership. A Keeper belongs to one goroutine, but for Report and Former, which any may call. The plugin's processes work at the same time
// on the same book, bridge and guard.
//
// Always. On a host without pods nothing is made but the lease. The bridge and the guard of pods that live are put right whenever Keep
// runs; a bridge that somebody else made is left alone. A lease that was written stays, whatever becomes of the daemon, until Remove, or
// until the node has lost its subnets to another one.
package pods
