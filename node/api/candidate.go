package api

import (
	"net/netip"
	"time"
)

// Candidate is one endpoint of a peer, and how it does beside the others.
type Candidate struct {
	Endpoint netip.AddrPort `json:"endpoint"`
	InUse    bool           `json:"in_use"`
	RTT      int64          `json:"rtt_us,omitempty"`          // the least of three, when it answered last; 0: it never did
	Silent   time.Time      `json:"unanswered_since,omitzero"` // zero: it answers, or was not asked yet
}
