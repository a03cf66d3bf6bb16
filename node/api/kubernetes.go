package api

import (
	"net/netip"
	"time"
)

// Kubernetes says, with subnet k8s, how the node comes by its podCIDRs.
type Kubernetes struct {
	Node        string         `json:"node"`        // name of this host's node in Kubernetes, which is looked up
	NodeFrom    string         `json:"node_from"`   // where that name is from: k8s_node, NODE_NAME or name
	Server      string         `json:"server"`      // URL of the API server that was asked last; empty: none could be
	Credentials string         `json:"credentials"` // where these are from: the path of a kubeconfig, or the pod's service account
	PodCIDRs    []netip.Prefix `json:"pod_cidrs"`   // of the latest answer; empty: this run had none
	InForce     []netip.Prefix `json:"in_force"`    // what the node claims: these, or those that were known before
	Answered    time.Time      `json:"answered"`    // when the latest answer with podCIDRs came; zero: this run had none
	Reason      string         `json:"reason,omitempty"`
	Kind        string         `json:"kind,omitempty"` // of the reason: credentials, unreachable, untrusted, unauthorized, forbidden, no_node, answer, no_podcidrs, not_usable or platform
	Since       time.Time      `json:"since,omitzero"` // of the reason
}
