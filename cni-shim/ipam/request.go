package ipam

import (
	"errors"
	"net/netip"
	"slices"
)

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

// normal is the request with all addresses unmapped and subnets masked. It refuses what is no request.
func (r Request) normal() (Request, error) {
	if r.Container == "" || r.IfName == "" {
		return r, errors.New("ipam: reserve: the request names no container and interface")
	}
	subnets := make([]netip.Prefix, len(r.Subnets))
	for i, p := range r.Subnets {
		if !p.IsValid() || p.Addr().Is4In6() {
			return r, &OutsideError{What: p.String(), Why: "is no subnet"}
		}
		subnets[i] = p.Masked()
	}
	wanted := make([]netip.Addr, len(r.Wanted))
	for i, a := range r.Wanted {
		if wanted[i] = a.Unmap(); !plain(wanted[i]) {
			return r, &OutsideError{What: a.String(), Why: "is no address of a pod"}
		}
	}
	r.Subnets, r.Wanted = subnets, wanted
	return r, nil
}

// fits is nil where the record has what the request asks for, else a *HeldError.
func (r *Record) fits(q *Request) error {
	inSubnet := func(a netip.Addr) bool {
		return slices.ContainsFunc(q.Subnets, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	has := func(is4 bool) bool {
		return slices.ContainsFunc(r.Addresses, func(a netip.Addr) bool { return a.Is4() == is4 })
	}
	for _, a := range r.Addresses {
		if !inSubnet(a) {
			return &HeldError{*r}
		}
	}
	for _, a := range q.Wanted {
		if !slices.Contains(r.Addresses, a) {
			return &HeldError{*r}
		}
	}
	for _, p := range q.Subnets {
		if !has(p.Addr().Is4()) {
			return &HeldError{*r}
		}
	}
	for _, set := range q.Ranges {
		if !slices.ContainsFunc(set, func(s Range) bool { return slices.ContainsFunc(r.Addresses, s.Contains) }) {
			return &HeldError{*r}
		}
	}
	return nil
}
