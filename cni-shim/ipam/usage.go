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
