package mesh

import (
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/trust"
)

// ConflictKind says what is wrong with a claimed prefix.
type ConflictKind string

// The kinds of conflicts.
const (
	ConflictOverlap   ConflictKind = "overlap"   // another node has it
	ConflictDisplaced ConflictKind = "displaced" // its owner does not answer; the node that replaces it has it now
	ConflictRefused   ConflictKind = "refused"   // nobody may have it
)

// Conflict is a claimed prefix that its claimer does not get.
type Conflict struct {
	Kind      ConflictKind
	Prefix    netip.Prefix // what the loser claims
	Loser     trust.Fingerprint
	LoserName string
	Owner     trust.Fingerprint // who has it; zero if refused
	OwnerName string
	Owned     netip.Prefix // what the owner has of it: equal, wider or narrower
	Reason    string       // for people
}

// String is one line for logs and status.
func (c Conflict) String() string {
	switch c.Kind {
	case ConflictRefused:
		return fmt.Sprintf("%v claimed by %s (%s) is refused: %s", c.Prefix, c.LoserName, c.Loser.Short(), c.Reason)
	case ConflictDisplaced:
		return fmt.Sprintf("%v of %s (%s), which does not answer, was taken over by %s (%s)",
			c.Prefix, c.LoserName, c.Loser.Short(), c.OwnerName, c.Owner.Short())
	}
	return fmt.Sprintf("%v claimed by %s (%s) belongs to %s (%s, %v)",
		c.Prefix, c.LoserName, c.Loser.Short(), c.OwnerName, c.Owner.Short(), c.Owned)
}
