package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// cloneTie is the difference of uptimes below which two clones count as started together: it must be longer than a
// hello takes to arrive, so that both come to the same decision.
const cloneTie = 2 * time.Second

// CloneError says that another live node has our key, and that we are the one to stop.
type CloneError struct {
	Addr   netip.AddrPort // where the other one is
	Name   string         // what it is called
	Uptime time.Duration  // of the other one
	Ours   time.Duration  // our own uptime
}

// Error names the other node. The caller knows the file to delete.
func (e *CloneError) Error() string {
	return fmt.Sprintf("mesh: this node's key is in use by another live node: %s at %v, up for %v (this one: %v)",
		e.Name, e.Addr, e.Uptime.Round(time.Second), e.Ours.Round(time.Second))
}

// youngerClone reports whether we are the one of two clones that stops: the younger, or of two started together the one
// with the smaller boot nonce.
func youngerClone(ours, theirs time.Duration, our, their trust.BootNonce) bool {
	if d := ours - theirs; d > cloneTie || d < -cloneTie {
		return ours < theirs
	}
	return slices.Compare(our[:], their[:]) < 0
}
