package sim

import (
	"time"

	"github.com/weftnet/weft/trust"
)

// This file is mesh/sync.go. There memberlist says which members live; here their calls do.

// missing notes that a member calls whose claim did not come, and makes up for it after a while.
func (n *Node) missing(id trust.Fingerprint) {
	g := &n.gossip
	if g.missing[id] || g.exchanged.IsZero() {
		return
	}
	g.missing[id] = true
	if g.syncWait == 0 {
		n.syncAfter(5 * gossipEvery)
	}
}

// syncAfter exchanges with a member that is drawn, then ever more seldom, while a claim is missing.
func (n *Node) syncAfter(wait time.Duration) {
	g := &n.gossip
	g.syncWait = wait
	n.later(wait/2+n.jitter(wait), func() {
		if len(g.missing) == 0 {
			g.syncWait = 0
			return
		}
		for _, p := range n.someUp(1) {
			n.exchange(n.w.byID[p.id])
		}
		n.syncAfter(min(2*wait, pushPullEvery))
	})
}
