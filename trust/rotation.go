package trust

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// RotationPermit is an authority's signed word that its cluster may go from one secret to another, in a span of time. It holds the
// public ids of the two secrets, never a secret. It can be replayed, within that span, and then asks for what was asked for already: a
// node that has left the old secret does nothing. It is immutable once signed or parsed.
type RotationPermit struct {
	Old, New  SecretID
	NotBefore time.Time // seconds
	NotAfter  time.Time // the first second in which it counts no longer
	Authority AuthorityID

	raw []byte
}

const (
	permitContext = "weft 1 rotation\x00"
	blockPermit   = "WEFT ROTATION"

	// MaxPermit is the longest permit in bytes.
	MaxPermit = 256
)

// permitBody is the CBOR form. Keys 1 to 5 are taken.
type permitBody struct {
	Old       []byte `cbor:"1,keyasint"`
	New       []byte `cbor:"2,keyasint"`
	NotBefore uint64 `cbor:"3,keyasint"` // Unix time in seconds
	NotAfter  uint64 `cbor:"4,keyasint"`
	Authority []byte `cbor:"5,keyasint"`
}

// ErrPermit is wrapped by all errors of ParseRotationPermit.
var ErrPermit = errors.New("not a permit for a rotation")

// PermitRotation signs a permit. Its times are cut to seconds.
func (a *Authority) PermitRotation(content RotationPermit) (*RotationPermit, error) {
	id := a.public.ID()
	body, err := signedEncoder.Marshal(permitBody{
		Old: content.Old[:], New: content.New[:], NotBefore: seconds(content.NotBefore), NotAfter: seconds(content.NotAfter), Authority: id[:],
	})
	if err != nil {
		return nil, fmt.Errorf("trust: encode permit: %w", err)
	}
	return ParseRotationPermit(a.sign(permitContext, body))
}

// ParseRotationPermit reads a permit, and does not check its signature: see Permits. It keeps a copy of raw. Errors wrap ErrPermit.
func ParseRotationPermit(raw []byte) (*RotationPermit, error) {
	if len(raw) <= signedHead || len(raw) > MaxPermit {
		return nil, fmt.Errorf("trust: %w: %d bytes, not %d to %d", ErrPermit, len(raw), signedHead+1, MaxPermit)
	}
	var b permitBody
	if err := signedDecoder.Unmarshal(raw[signedHead:], &b); err != nil {
		return nil, fmt.Errorf("trust: %w: %w", ErrPermit, err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("trust: %w: %w", ErrPermit, err)
	}
	return &RotationPermit{
		Old: SecretID(b.Old), New: SecretID(b.New), Authority: AuthorityID(b.Authority), raw: slices.Clone(raw),
		NotBefore: time.Unix(int64(b.NotBefore), 0), NotAfter: time.Unix(int64(b.NotAfter), 0),
	}, nil
}

func (b *permitBody) check() error {
	switch {
	case len(b.Old) != len(SecretID{}) || len(b.New) != len(SecretID{}):
		return fmt.Errorf("ids of secrets of %d and %d bytes", len(b.Old), len(b.New))
	case slices.Equal(b.Old, b.New):
		return errors.New("both secrets are the same")
	case len(b.Authority) != len(AuthorityID{}):
		return fmt.Errorf("authority of %d bytes", len(b.Authority))
	case b.NotAfter > maxUnixSeconds || b.NotBefore >= b.NotAfter:
		return fmt.Errorf("it counts from %d to %d", b.NotBefore, b.NotAfter)
	}
	return nil
}

// Raw are the permit's bytes as they travel; they must not be changed.
func (p *RotationPermit) Raw() []byte { return p.raw }

// PEM is the text of the permit's file.
func (p *RotationPermit) PEM() []byte { return blockText(blockPermit, p.raw) }

// ParseRotationPermitPEM reads the text of PEM. Errors wrap ErrPermit.
func ParseRotationPermitPEM(text []byte) (*RotationPermit, error) {
	raw, err := blockOf(text, blockPermit, "'weft authority rotate'")
	if err != nil {
		return nil, fmt.Errorf("trust: %w: %w", ErrPermit, err)
	}
	return ParseRotationPermit(raw)
}

// Permits says why a permit does not let a node that takes these authorities go from one secret to another now; nil: it does. A clock
// may lag behind the authority's by ClockTolerance; at the end there is none.
func (k AuthorityKeys) Permits(p *RotationPermit, from, to SecretID, now time.Time) error {
	if p.Old != from || p.New != to {
		return fmt.Errorf("the permit is to go from secret %s to %s, and this is from %s to %s", p.Old.Short(), p.New.Short(), from.Short(), to.Short())
	}
	if err := k.open(p.Authority, permitContext, p.raw[signedHead:], p.raw[:signedHead]); err != nil {
		return fmt.Errorf("the permit does not count: %w", err)
	}
	switch {
	case now.Before(p.NotBefore.Add(-ClockTolerance)):
		return fmt.Errorf("the permit counts from %s, and by this host's clock it is %s: set the clock that is wrong", stamp(p.NotBefore), stamp(now))
	case !now.Before(p.NotAfter):
		return fmt.Errorf("the permit expired %s, and by this host's clock it is %s: have it signed again, or set the clock", stamp(p.NotAfter), stamp(now))
	}
	return nil
}
