// Package ipam keeps which addresses of the node's subnets belong to which pods: the address book, one JSON file under a lock.
//
// Words. An attachment is one interface of one container; Key names it, as CNI does. A record says what an attachment has: it is held
// until the attachment ends, then released, which means that its addresses rest: for Quarantine nobody gets them, so that no neighbour
// entry, connection or cached name of the old pod leads to a new one. The host end is the half of a pod's veth pair that stays in the
// host's namespace. An address that is vacant is neither held, nor rests, nor has a meaning of its own in its subnet (gateway, broadcast).
//
// Ownership. The plugin's processes, the daemon and 'weft ipam' share one book. Each change is made under flock(2) of a file beside the
// book, from reading to writing; readers take no lock. A Book may be used by several goroutines.
//
// Always. A process that is killed at any point leaves the book as it was before its change or after it. No two held records have an
// address in common, and no address is given within Quarantine of its release. A record of an earlier boot counts for nothing: its pod
// ended with that boot. Time is that since boot, so that a clock which is set shortens no rest. A book that cannot be understood is
// refused, and never begun anew.
package ipam
