package api

import "net/netip"

// Roles of a node for a network that lies behind it.
const (
	RoleActive  = "active"  // packets to the network go to it
	RoleStandby = "standby" // another node is active; this one takes over if that one is not reached
)

// Behind is one network behind the node itself, as the key routes names it.
type Behind struct {
	Prefix  netip.Prefix `json:"prefix"`
	Role    string       `json:"role"`             // as this node sees it; empty: nobody may lead there, see conflicts
	Active  string       `json:"active,omitempty"` // name of the node that is active
	Standby []string     `json:"standby"`          // names of the others, first the one that would take over first
	Reached bool         `json:"reached"`          // by this node, on a way of its own
	Reason  string       `json:"reason,omitempty"` // for the role
}
