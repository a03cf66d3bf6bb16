package mesh

import (
	"maps"
	"slices"

	"github.com/weftnet/weft/trust"
)

// Set holds every node's newest claim. Adding claims is idempotent, commutative and associative: sets that were given the
// same claims in any order, any number of times, are equal. It is not safe for concurrent use.
type Set struct {
	claims  map[trust.Fingerprint]*Claim
	digests map[Digest]struct{} // of what is in claims
}

// NewSet makes a set of claims.
func NewSet(claims ...*Claim) *Set {
	s := &Set{claims: map[trust.Fingerprint]*Claim{}, digests: map[Digest]struct{}{}}
	for _, c := range claims {
		s.Add(c)
	}
	return s
}

// Add merges one claim into the set and reports whether it changed it: a higher version wins, and of two claims of one
// version that with the greater digest.
func (s *Set) Add(c *Claim) bool {
	old := s.claims[c.id]
	if old != nil {
		if !c.supersedes(old) {
			return false
		}
		delete(s.digests, old.digest)
	}
	s.claims[c.id] = c
	s.digests[c.digest] = struct{}{}
	return true
}

// Remove takes a node's claim out and returns it; nil: there was none. It is no merge: whoever removes a claim keeps out what shall
// not come back.
func (s *Set) Remove(id trust.Fingerprint) *Claim {
	c := s.claims[id]
	if c != nil {
		delete(s.claims, id)
		delete(s.digests, c.digest)
	}
	return c
}

// Get is a node's claim, or nil.
func (s *Set) Get(id trust.Fingerprint) *Claim { return s.claims[id] }

// Has reports whether the claim with this digest is in the set.
func (s *Set) Has(d Digest) bool {
	_, ok := s.digests[d]
	return ok
}

// Len is the number of claims.
func (s *Set) Len() int { return len(s.claims) }

// Claims are all claims, by fingerprint.
func (s *Set) Claims() []*Claim {
	return slices.SortedFunc(maps.Values(s.claims), func(a, b *Claim) int { return slices.Compare(a.id[:], b.id[:]) })
}
