package trust

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Revocation is an authority's signed word that it takes back what it said of a node: one certificate by its serial number, or all
// of a key, those that are yet to be signed too. Nothing takes a revocation back. So a set of them only grows, and one that is
// replayed changes nothing. It is immutable once signed or parsed.
type Revocation struct {
	Fingerprint Fingerprint // zero: it is about one certificate
	Serial      uint64      // 0: it is about a key
	Time        time.Time   // when it was signed, by the authority's clock; for people
	Authority   AuthorityID

	raw []byte
}

const (
	revocationContext = "weft 1 revocation\x00"
	blockRevocation   = "WEFT REVOCATION"

	// MaxRevocation is the longest revocation in bytes.
	MaxRevocation = 256
)

// revocationBody is the CBOR form. Keys 1 to 4 are taken.
type revocationBody struct {
	Fingerprint []byte `cbor:"1,keyasint,omitempty"`
	Serial      uint64 `cbor:"2,keyasint,omitempty"`
	Time        uint64 `cbor:"3,keyasint"` // Unix time in seconds
	Authority   []byte `cbor:"4,keyasint"`
}

// ErrRevocation is wrapped by all errors of ParseRevocation.
var ErrRevocation = errors.New("not a revocation")

// Revoke signs a revocation. Where content names an authority it must be this one, or the error is ErrOtherAuthority: a certificate is
// revoked by its own authority alone.
func (a *Authority) Revoke(content Revocation) (*Revocation, error) {
	id := a.public.ID()
	if content.Authority != (AuthorityID{}) && content.Authority != id {
		return nil, fmt.Errorf("%w %s, and the key is of %s", ErrOtherAuthority, content.Authority, id)
	}
	b := revocationBody{Serial: content.Serial, Time: seconds(content.Time), Authority: id[:]}
	if !content.Fingerprint.IsZero() {
		b.Fingerprint = content.Fingerprint[:]
	}
	body, err := signedEncoder.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("trust: encode revocation: %w", err)
	}
	return ParseRevocation(a.sign(revocationContext, body))
}

// ParseRevocation reads a revocation, and does not check its signature: see Admission. It keeps a copy of raw. Errors wrap
// ErrRevocation.
func ParseRevocation(raw []byte) (*Revocation, error) {
	if len(raw) <= signedHead || len(raw) > MaxRevocation {
		return nil, fmt.Errorf("trust: %w: %d bytes, not %d to %d", ErrRevocation, len(raw), signedHead+1, MaxRevocation)
	}
	var b revocationBody
	if err := signedDecoder.Unmarshal(raw[signedHead:], &b); err != nil {
		return nil, fmt.Errorf("trust: %w: %w", ErrRevocation, err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("trust: %w: %w", ErrRevocation, err)
	}
	r := &Revocation{Serial: b.Serial, Time: time.Unix(int64(b.Time), 0), Authority: AuthorityID(b.Authority), raw: slices.Clone(raw)}
	copy(r.Fingerprint[:], b.Fingerprint)
	return r, nil
}

func (b *revocationBody) check() error {
	switch {
	case len(b.Authority) != len(AuthorityID{}):
		return fmt.Errorf("authority of %d bytes", len(b.Authority))
	case len(b.Fingerprint) != 0 && len(b.Fingerprint) != len(Fingerprint{}):
		return fmt.Errorf("fingerprint of %d bytes", len(b.Fingerprint))
	case (len(b.Fingerprint) == 0) == (b.Serial == 0):
		return errors.New("it is about neither a key nor a certificate, or about both")
	case b.Time > maxUnixSeconds:
		return fmt.Errorf("time %d out of range", b.Time)
	}
	return nil
}

// Raw are the revocation's bytes as they travel; they must not be changed.
func (r *Revocation) Raw() []byte { return r.raw }

// PEM is the text of the revocation's file.
func (r *Revocation) PEM() []byte { return blockText(blockRevocation, r.raw) }

// ParseRevocationPEM reads the text of PEM. Errors wrap ErrRevocation.
func ParseRevocationPEM(text []byte) (*Revocation, error) {
	raw, err := blockOf(text, blockRevocation, "'weft authority revoke'")
	if err != nil {
		return nil, fmt.Errorf("trust: %w: %w", ErrRevocation, err)
	}
	return ParseRevocation(raw)
}

// What says in words what is revoked.
func (r *Revocation) What() string {
	if r.Serial != 0 {
		return fmt.Sprintf("certificate %d", r.Serial)
	}
	return "key " + r.Fingerprint.String()
}

// verify checks the revocation's signature. The error is ErrOtherAuthority or ErrForged.
func (r *Revocation) verify(keys AuthorityKeys) error {
	return keys.open(r.Authority, revocationContext, r.raw[signedHead:], r.raw[:signedHead])
}
