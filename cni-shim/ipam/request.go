package ipam

import "net/netip"

// Range is the addresses from First to Last, both included, of one family.
type Range struct {
	First, Last netip.Addr
}

// Contains reports whether a lies in the range.
func (r Range) Contains(a netip.Addr) bool { return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 }

// Request asks for the addresses of an attachment: one of each family that Subnets have, unless Wanted or Ranges say otherwise.
type Request struct {
	Key
	Network string
	Pod     Pod
	NetNS   string
	HostEnd string

	// Subnets are the node's. Of two of one family the first is used until it is full, then the next.
	Subnets []netip.Prefix

	// Wanted are the very addresses to give (capability "ips"), instead of vacant ones of their families.
	Wanted []netip.Addr

	// Ranges bound what is given (capability "ipRanges"): of each set the attachment gets one address, from the first of its ranges
	// that has a vacant one. The ranges of a set are of one family. A family without a set is not bounded, and an address of Wanted has
	// to lie in a range of its family, if there is one.
	Ranges [][]Range
}
