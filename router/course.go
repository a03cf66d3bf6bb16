package router

import (
	"net/netip"

	"github.com/weftnet/weft/trust"
)

// Course is what this node makes of a packet, by the table and the paths that lanes go by.
type Course struct {
	Local bool              // this node owns the destination: what it sends there itself never comes out of the device
	To    trust.Fingerprint // the peer that owns the destination; zero: none does
	Out   string            // drop reason of such a packet out of the device; empty: it is sent to To
	From  trust.Fingerprint // the peer that owns the source; zero: none does, or this node
	In    string            // drop reason of such a packet from From; empty: it goes to the device
}

// Course says what becomes of a packet now, of this node's own and of one that the owner of its source sends here. A destination whose
// owner has no session has the reason peer-down, though packets wait for the session for a moment if it is about to come. It may be
// called from any goroutine.
func (r *Router) Course(src, dst netip.Addr) Course {
	table := r.table.Load()
	c := Course{Local: table.local.Contains(dst)}
	if to := table.owner(dst); to != nil {
		c.To = to.id
	}
	if reason, ok := table.sendable(src, dst); !ok {
		c.Out = reason.String()
	}
	if from := table.owner(src); from != nil {
		c.From = from.id
		if reason, ok := table.admits(from, src, dst); !ok {
			c.In = reason.String()
		}
	}
	return c
}

// sendable reports whether a packet of this node is sent now, or the reason for which it is dropped.
func (s *snapshot) sendable(src, dst netip.Addr) (Reason, bool) {
	to, reason, ok := s.leads(src, dst)
	if !ok {
		return reason, false
	}
	switch v := wayTo(to); {
	case !v.open():
		return PeerDown, false
	case v.path.route != nil && !v.hop.open():
		return RelayDown, false
	}
	return 0, true
}
