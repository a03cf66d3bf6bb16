package mesh

import (
	"fmt"
	"net/netip"
	"time"

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

// Conflict is a claimed prefix that its claimer does not get. Conflicts can be compared.
type Conflict struct {
	Kind       ConflictKind
	Prefix     netip.Prefix // what the loser claims
	Loser      trust.Fingerprint
	LoserName  string
	Owner      trust.Fingerprint // who has it; zero if refused
	OwnerName  string
	Owned      netip.Prefix // what the owner has of it: equal, wider or narrower
	OwnerSince time.Time    // when the owner first claimed what it claims
	Reason     string       // if refused: a clause such as "it is outside the network"
}

// String is one sentence for logs and status; it names the prefix itself.
func (c Conflict) String() string {
	loser, owner := c.names()
	claim := fmt.Sprintf("%s's claim of %v", loser, c.Prefix)
	has := fmt.Sprintf("%s has %v since %s", owner, c.Owned, c.OwnerSince.UTC().Format("2006-01-02 15:04:05 UTC"))
	switch c.Kind {
	case ConflictRefused:
		return claim + " is refused: " + c.Reason
	case ConflictDisplaced:
		return claim + " does not count, as that node does not answer: " + has
	}
	return claim + " does not count: " + has
}

// names are what people call the two nodes, with their fingerprints where the names are the same.
func (c Conflict) names() (loser, owner string) {
	if c.LoserName != c.OwnerName {
		return c.LoserName, c.OwnerName
	}
	return fmt.Sprintf("%s (%s)", c.LoserName, c.Loser.Short()), fmt.Sprintf("%s (%s)", c.OwnerName, c.Owner.Short())
}
