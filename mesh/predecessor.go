package mesh

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/weftnet/weft/trust"
)

const (
	predecessorContext = "weft 1 succession\x00"
	predecessorLen     = 32 + 32 + ed25519.SignatureSize // X25519 key, Ed25519 key, signature
	maxPredecessors    = 16                              // identities that one node has taken the place of, one after another
)

// Predecessor is an identity whose place another one has taken, with its own word for that: a signature over both fingerprints. An
// heir's claim carries it for as long as the heir lives. So whoever knows the heir knows that no claim of the predecessor counts any
// more, whatever its version: nobody has to remember it, and merging claims stays what it is.
type Predecessor struct {
	keys trust.PublicKeys
	raw  []byte // as on the wire
}

// ID is the fingerprint of the identity that was replaced.
func (p Predecessor) ID() trust.Fingerprint { return p.keys.Fingerprint() }

// bequeath is the word of old that heir takes its place.
func bequeath(old *trust.Identity, heir trust.Fingerprint) Predecessor {
	keys := old.Public()
	raw := slices.Concat(keys.DH[:], keys.Sign[:], old.Sign(bequest(keys.Fingerprint(), heir)))
	return Predecessor{keys, raw}
}

// bequest is what a predecessor signs.
func bequest(old, heir trust.Fingerprint) []byte {
	return slices.Concat([]byte(predecessorContext), old[:], heir[:])
}

// parsePredecessors reads the predecessors of heir, the latest first: each has signed that the one before it in the list takes its
// place, and the first that heir does. They borrow list.
func parsePredecessors(list [][]byte, heir trust.Fingerprint) ([]Predecessor, error) {
	var all []Predecessor
	for _, raw := range list {
		if len(raw) != predecessorLen {
			return nil, fmt.Errorf("predecessor of %d bytes", len(raw))
		}
		p := Predecessor{raw: raw}
		copy(p.keys.DH[:], raw)
		copy(p.keys.Sign[:], raw[32:])
		id := p.ID()
		if !p.keys.Verify(bequest(id, heir), raw[64:]) {
			return nil, fmt.Errorf("%s has not signed that %s takes its place", id.Short(), heir.Short())
		}
		all, heir = append(all, p), id
	}
	return all, nil
}

// rawPredecessors are predecessors as on the wire.
func rawPredecessors(list []Predecessor) (raw [][]byte) {
	for _, p := range list {
		raw = append(raw, p.raw)
	}
	return raw
}

// heirsOf says which claim's node has taken the place of which identity. Of two the one that comes later in the lists is named.
func heirsOf(lists ...[]*Claim) map[trust.Fingerprint]*Claim {
	heirs := map[trust.Fingerprint]*Claim{}
	for _, claims := range lists {
		for _, c := range claims {
			for _, p := range c.Predecessors {
				heirs[p.ID()] = c
			}
		}
	}
	return heirs
}
