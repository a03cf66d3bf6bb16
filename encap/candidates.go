package encap

import (
	"fmt"
	"net/netip"
	"slices"
)

// CapCandidates is the capability of nodes that answer an Offer.
const CapCandidates uint64 = 1 << 5

// MaxCandidates is how many candidates an offer has at most.
const MaxCandidates = 8

// CandidateKind says how a node comes to think that it may be reached at an endpoint. Kinds that are not known count as observed.
type CandidateKind uint8

// The kinds of candidates, the one that is called first where several answer alike first.
const (
	CandidatePrivate    CandidateKind = 0 // an address of an interface
	CandidateAdvertised CandidateKind = 1 // it claims so
	CandidateObserved   CandidateKind = 2 // others see it there: where its address is translated, this is the public end of the mapping
)

// Candidate is an endpoint at which a node may be reached.
type Candidate struct {
	At   netip.AddrPort `cbor:"1,keyasint"`
	Kind CandidateKind  `cbor:"2,keyasint,omitzero"`
}

// Offer is the body of a Candidates frame: two nodes with a session tell each other where they may be reached, and call each other
// there at the same time, so that the call of each opens the way for the other's.
type Offer struct {
	Round  uint64      `cbor:"1,keyasint"`           // drawn by who begins, not 0; the same in the answer
	Answer bool        `cbor:"2,keyasint,omitempty"` // the sender calls from now on; else it begins when it has the answer
	List   []Candidate `cbor:"3,keyasint,omitempty"`
}

// Append adds the body to dst.
func (o Offer) Append(dst []byte) []byte {
	b, err := encode(o)
	if err != nil { // fields that always encode
		panic(err)
	}
	return append(dst, b...)
}

// ParseOffer reads the body of a Candidates frame. Candidates that are no endpoint are left out; whether one may be called, the
// caller has to know.
func ParseOffer(body []byte) (Offer, error) {
	var o Offer
	if err := decode(body, &o); err != nil {
		return Offer{}, err
	}
	if o.Round == 0 || len(o.List) > MaxCandidates {
		return Offer{}, fmt.Errorf("%w: round %d with %d candidates", ErrPayload, o.Round, len(o.List))
	}
	o.List = slices.DeleteFunc(o.List, func(c Candidate) bool { return !c.At.IsValid() || c.At.Port() == 0 || checkObserved(c.At) != nil })
	return o, nil
}
