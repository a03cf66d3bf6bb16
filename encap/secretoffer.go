package encap

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/trust"
)

// SecretPhase is how far a rotation is that one node asks another to follow.
type SecretPhase uint8

// The phases of a rotation. A node that is in a later one does not go back.
const (
	SecretAsk    SecretPhase = 0 // change nothing: which secrets do you hold?
	SecretAdd    SecretPhase = 1 // take the new one too
	SecretFirst  SecretPhase = 2 // speak under the new one, and take the old one too
	SecretRetire SecretPhase = 3 // hold the new one alone
)

// SecretOffer is the body of a control frame by which one node gives another the cluster's next secret, and has it follow a rotation.
// It travels in a session alone, whose keys nobody can make from the cluster's secret.
type SecretOffer struct {
	ID     uint64         `cbor:"1,keyasint"` // drawn by who asks; the same in the answer
	Phase  SecretPhase    `cbor:"2,keyasint"`
	Old    trust.SecretID `cbor:"3,keyasint,omitzero"`  // the secret that is left
	New    trust.SecretID `cbor:"4,keyasint,omitzero"`  // the one that is gone to
	Secret trust.Secret   `cbor:"5,keyasint,omitzero"`  // the new one, in SecretAdd and SecretFirst
	Signed []byte         `cbor:"6,keyasint,omitempty"` // by the cluster's authority, where there is one
}

// SecretStatus is what became of a SecretOffer.
type SecretStatus uint8

// The outcomes of an offer. What is not known stands for a refusal.
const (
	SecretDone    SecretStatus = 0 // the node is in that phase, or a later one
	SecretRefused SecretStatus = 1 // it is not, and Reason says why
	SecretOther   SecretStatus = 2 // it follows another rotation
)

// SecretAnswer is the body of the answer to a SecretOffer.
type SecretAnswer struct {
	ID     uint64           `cbor:"1,keyasint"`
	Status SecretStatus     `cbor:"2,keyasint,omitempty"`
	Held   []trust.SecretID `cbor:"3,keyasint"` // the secrets that the node holds now, the first first
	Reason string           `cbor:"4,keyasint,omitempty"`
}

// maxSecretReason bounds the reason of an answer, in bytes; maxSigned the authority's signature.
const (
	maxSecretReason = 400
	maxSigned       = 512
)

// Append adds the body to dst.
func (o SecretOffer) Append(dst []byte) []byte { return appendBody(dst, o) }

// Append adds the body to dst. A long reason is cut, between two characters: readers refuse what is not UTF-8.
func (a SecretAnswer) Append(dst []byte) []byte {
	a.Reason = strings.ToValidUTF8(a.Reason[:min(len(a.Reason), maxSecretReason)], "")
	return appendBody(dst, a)
}

func appendBody(dst []byte, body any) []byte {
	b, err := encode(body)
	if err != nil { // fields that always encode
		panic(err)
	}
	return append(dst, b...)
}

// ParseSecretOffer reads the body of an offer.
func ParseSecretOffer(body []byte) (SecretOffer, error) {
	var o SecretOffer
	if err := decode(body, &o); err != nil {
		return SecretOffer{}, err
	}
	switch {
	case o.Phase > SecretRetire:
		return SecretOffer{}, fmt.Errorf("%w: phase %d of a rotation", ErrPayload, o.Phase)
	case len(o.Signed) > maxSigned:
		return SecretOffer{}, fmt.Errorf("%w: signature of %d bytes", ErrPayload, len(o.Signed))
	case o.Secret != (trust.Secret{}) && o.Secret.ID() != o.New:
		return SecretOffer{}, fmt.Errorf("%w: a secret of another name", ErrPayload)
	}
	return o, nil
}

// ParseSecretAnswer reads the body of an answer.
func ParseSecretAnswer(body []byte) (SecretAnswer, error) {
	var a SecretAnswer
	if err := decode(body, &a); err != nil {
		return SecretAnswer{}, err
	}
	if len(a.Held) > trust.MaxSecrets || len(a.Reason) > maxSecretReason {
		return SecretAnswer{}, fmt.Errorf("%w: %d secrets, reason of %d bytes", ErrPayload, len(a.Held), len(a.Reason))
	}
	a.Reason = printable(a.Reason)
	return a, nil
}
