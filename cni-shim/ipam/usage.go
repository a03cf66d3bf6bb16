package ipam

import "net/netip"

// Usage is how much of a subnet is given.
type Usage struct {
	Subnet      netip.Prefix `json:"subnet"`
	Gateway     netip.Addr   `json:"gateway"`
	Capacity    uint64       `json:"capacity"` // addresses for pods; 2^53-1 where there are more, the greatest number that every JSON reader takes
	Held        int          `json:"held"`
	Quarantined int          `json:"quarantined"`
}

// UsageOf counts, for each subnet, what records have of it.
func UsageOf(subnets []netip.Prefix, records []Record) []Usage {
	list := make([]Usage, len(subnets))
	for i, p := range subnets {
		u := Usage{Subnet: p.Masked(), Gateway: gateway(p)}
		if pods, ok := forPods(p); ok {
			u.Capacity = pods.size()
		}
		for j := range records {
			u.add(&records[j])
		}
		list[i] = u
	}
	return list
}

func (u *Usage) add(r *Record) {
	for _, a := range r.Addresses {
		switch {
		case !u.Subnet.Contains(a):
		case r.State == Held:
			u.Held++
		default:
			u.Quarantined++
		}
	}
}
