// Package cnishim is what the CNI plugin of weft does: ADD, DEL, CHECK, GC and STATUS (github.com/containernetworking/cni, SPEC.md 1.1).
//
// Words. An attachment is one interface of one container; the runtime names it by CNI_CONTAINERID and CNI_IFNAME. The network
// configuration is what the runtime gives the plugin on standard input. The lease is the node's word that pods may have addresses, the
// address book says which pod has which (packages lease and ipam).
//
// Order. Operations of one attachment take turns. ADD writes down the addresses, then guards the port, then makes the interface; DEL sets the
// interface down, ends the guarding, removes the interface and ends the record. So whatever the kernel has of a pod has a record in the
// book, wherever a process is killed, and GC and the daemon find it by that.
//
// Always. ADD needs no running daemon, and undoes what it did when it fails. DEL, and GC, are content with whatever is left. Every error
// is one sentence with a code of the specification, or one of ours from 100 on.
package cnishim
