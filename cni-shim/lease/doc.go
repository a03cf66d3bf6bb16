// Package lease is what a node tells the CNI plugin: the file cni.json in the node's run directory.
//
// Words. The lease is the node's statement that it owns subnets and has set its device and routes, so that pods may have addresses
// of them. It holds for one boot of the machine, which the boot id names.
//
// Ownership. The daemon alone writes and removes the file. It is there from when the node owns its subnets until `weft down`: a
// stop, a crash or an upgrade of the daemon leaves it, and pods start on.
//
// Always. Whoever reads it sees a whole lease or none. A lease of another boot is no lease.
package lease
