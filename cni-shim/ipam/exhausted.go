package ipam

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// maxShares is how many holders an ExhaustedError names.
const maxShares = 3

// exhausted says who has the addresses of spans, or that ranges have none.
func (a *allocation) exhausted(spans []span) error {
	e := &ExhaustedError{}
	for _, s := range spans {
		e.Subnets = append(e.Subnets, s.subnet)
		if !s.empty {
			e.Capacity = min(e.Capacity+s.size(), MaxCapacity)
		}
	}
	if e.Capacity == 0 && spans[0].narrowed() {
		return &OutsideError{What: "what ranges allow", Why: "is no address for pods, but the network's, gateway's or broadcast address of", Subnets: e.Subnets[:1]}
	}
	shares := map[string]int{}
	for addr, r := range a.taken {
		if !slices.ContainsFunc(spans, func(s span) bool { return !s.empty && s.Contains(addr) }) {
			continue
		}
		if r.State == Released {
			e.Quarantined++
			continue
		}
		e.Held++
		shares[r.group()]++
	}
	e.Subnets = slices.Compact(slices.SortedFunc(slices.Values(e.Subnets), netip.Prefix.Compare))
	e.By = greatest(shares)
	return e
}

// narrowed reports whether the span has less than its subnet has for pods.
func (s span) narrowed() bool {
	_, some := forPods(s.subnet)
	return some && s.empty
}

// group is on whose account an address goes.
func (r *Record) group() string {
	if r.Pod.Namespace != "" {
		return "namespace " + r.Pod.Namespace
	}
	return "network " + r.Network
}

// greatest lists the greatest shares, at most maxShares.
func greatest(counts map[string]int) []Share {
	who := slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		return cmp.Or(cmp.Compare(counts[y], counts[x]), cmp.Compare(x, y))
	})
	var list []Share
	for _, w := range who[:min(len(who), maxShares)] {
		list = append(list, Share{w, counts[w]})
	}
	return list
}
