package api

import "net/netip"

// Pods is what the node does for pods, which the CNI plugin makes.
type Pods struct {
	Lease       string         `json:"lease"`                  // the file by which the plugin knows the node
	Leased      bool           `json:"leased"`                 // it is there, and says what is so
	Reason      string         `json:"reason,omitempty"`       // why not: no pod can start then
	Held        int            `json:"held"`                   // pods that have addresses
	Quarantined int            `json:"quarantined"`            // pods whose addresses rest after their end
	Vanished    uint64         `json:"vanished"`               // pods whose addresses the daemon freed, because nobody else did
	Subnets     []PodSubnet    `json:"subnets"`                // in which new pods get addresses
	Former      []FormerSubnet `json:"former"`                 // in which pods live still, and no new ones get addresses
	Bridge      string         `json:"bridge"`                 // what pods are plugged into; empty: there is none, because no pod lives here
	BridgeTaken string         `json:"bridge_taken,omitempty"` // why there can be none: who else has its name
	Guard       string         `json:"guard"`                  // on; off: no pod lives here; none: pods can use addresses that are not theirs
	GuardReason string         `json:"guard_reason,omitempty"` // why there is none
}

// PodSubnet is how much of a subnet pods have.
type PodSubnet struct {
	Subnet      netip.Prefix `json:"subnet"`
	Gateway     netip.Addr   `json:"gateway"`
	Capacity    uint64       `json:"capacity"` // addresses for pods; 2^53-1: that many, or more
	Held        int          `json:"held"`
	Quarantined int          `json:"quarantined"`
}

// FormerSubnet is one that is not the node's own any more.
type FormerSubnet struct {
	Subnet  netip.Prefix `json:"subnet"`
	Pods    int          `json:"pods"`    // that live there
	Claimed bool         `json:"claimed"` // the node claims it on, so that peers reach them
}
