package trust

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/atomicfile"
)

// Certificate is an authority's signed statement of what the node with a fingerprint may be called, and own, and until when. It
// is immutable once signed or parsed: its slices must not be changed.
type Certificate struct {
	Fingerprint Fingerprint
	Name        string
	Subnets     []netip.Prefix // the node's subnets must lie in these
	Routes      []netip.Prefix // likewise the prefixes behind it
	NotBefore   time.Time      // seconds
	NotAfter    time.Time      // the first second in which it counts no longer
	Serial      uint64         // not 0; drawn, so that no two are equal
	Authority   AuthorityID

	raw []byte
}

const (
	certificateContext = "weft 1 certificate\x00"
	blockCertificate   = "WEFT CERTIFICATE"

	// maxCertificate is the longest certificate in bytes: with all else it must fit the record of a stream's hello.
	maxCertificate = 1280
	// maxAllowed is how many subnets a certificate may allow, and how many routes: the least prefix that holds several takes one.
	maxAllowed     = 32
	maxUnixSeconds = 1 << 37 // about the year 6325

	// ClockTolerance is how far a node's clock may lag behind the authority's: by so much a certificate counts before its time.
	// At its end there is none.
	ClockTolerance = 10 * time.Minute
)

// certificateBody is the CBOR form. Keys 1 to 8 are taken.
type certificateBody struct {
	Fingerprint []byte         `cbor:"1,keyasint"`
	Name        string         `cbor:"2,keyasint"`
	Subnets     []netip.Prefix `cbor:"3,keyasint,omitempty"`
	Routes      []netip.Prefix `cbor:"4,keyasint,omitempty"`
	NotBefore   uint64         `cbor:"5,keyasint"` // Unix time in seconds
	NotAfter    uint64         `cbor:"6,keyasint"`
	Serial      uint64         `cbor:"7,keyasint"`
	Authority   []byte         `cbor:"8,keyasint"`
}

// ErrCertificate is wrapped by all errors of ParseCertificate.
var ErrCertificate = errors.New("not a certificate")

// Sign makes the certificate that content describes. Its times are cut to seconds; a serial is drawn from random where content has
// none.
func (a *Authority) Sign(content Certificate, random io.Reader) (*Certificate, error) {
	if content.Serial == 0 {
		var err error
		if content.Serial, err = drawSerial(random); err != nil {
			return nil, err
		}
	}
	id := a.public.ID()
	body, err := signedEncoder.Marshal(certificateBody{
		Fingerprint: content.Fingerprint[:], Name: content.Name, Subnets: content.Subnets, Routes: content.Routes,
		NotBefore: seconds(content.NotBefore), NotAfter: seconds(content.NotAfter), Serial: content.Serial, Authority: id[:],
	})
	if err != nil {
		return nil, fmt.Errorf("trust: encode certificate: %w", err)
	}
	return ParseCertificate(a.sign(certificateContext, body)) // also says whether nodes will take it
}

// drawSerial draws a number other than 0.
func drawSerial(random io.Reader) (uint64, error) {
	var seed [32]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return 0, fmt.Errorf("trust: draw serial number: %w", err)
	}
	return 1 + rand.New(rand.NewChaCha8(seed)).Uint64N(1<<53-1), nil // JSON numbers are exact up to there (RFC 8259, section 6)
}

func seconds(t time.Time) uint64 { return uint64(max(0, t.Unix())) }

// ParseCertificate reads a certificate, and does not check its signature: see Admission. It keeps a copy of raw. Errors wrap
// ErrCertificate.
func ParseCertificate(raw []byte) (*Certificate, error) {
	if len(raw) <= signedHead || len(raw) > maxCertificate {
		return nil, fmt.Errorf("trust: %w: %d bytes, not %d to %d", ErrCertificate, len(raw), signedHead+1, maxCertificate)
	}
	var b certificateBody
	if err := signedDecoder.Unmarshal(raw[signedHead:], &b); err != nil {
		return nil, fmt.Errorf("trust: %w: %w", ErrCertificate, err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("trust: %w: %w", ErrCertificate, err)
	}
	return &Certificate{
		Fingerprint: Fingerprint(b.Fingerprint), Name: b.Name, Subnets: b.Subnets, Routes: b.Routes,
		NotBefore: time.Unix(int64(b.NotBefore), 0), NotAfter: time.Unix(int64(b.NotAfter), 0),
		Serial: b.Serial, Authority: AuthorityID(b.Authority), raw: slices.Clone(raw),
	}, nil
}

func (b *certificateBody) check() error {
	switch {
	case len(b.Fingerprint) != len(Fingerprint{}) || len(b.Authority) != len(AuthorityID{}):
		return fmt.Errorf("fingerprint of %d bytes, authority of %d", len(b.Fingerprint), len(b.Authority))
	case b.Serial == 0:
		return errors.New("no serial number")
	case b.NotAfter > maxUnixSeconds || b.NotBefore >= b.NotAfter:
		return fmt.Errorf("it counts from %d to %d", b.NotBefore, b.NotAfter)
	case len(b.Subnets) > maxAllowed || len(b.Routes) > maxAllowed:
		return fmt.Errorf("%d subnets and %d routes, more than %d", len(b.Subnets), len(b.Routes), maxAllowed)
	}
	for _, p := range slices.Concat(b.Subnets, b.Routes) {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("bad prefix %v", p)
		}
	}
	return CheckName(b.Name)
}

// Raw are the certificate's bytes as they travel; they must not be changed.
func (c *Certificate) Raw() []byte { return c.raw }

// PEM is the text of the certificate's file.
func (c *Certificate) PEM() []byte { return blockText(blockCertificate, c.raw) }

// ReadCertificate reads the file of a certificate. Errors name the file.
func ReadCertificate(path string) (*Certificate, error) {
	text, _, err := atomicfile.Read(path, maxSignedFile)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	raw, err := blockOf(text, blockCertificate, "'weft authority sign'")
	if err != nil {
		return nil, fmt.Errorf("trust: %s: %w: %w", path, ErrCertificate, err)
	}
	c, err := ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("trust: %s: %w", path, err)
	}
	return c, nil
}

// AllowsSubnet reports whether p may be a subnet of the node.
func (c *Certificate) AllowsSubnet(p netip.Prefix) bool { return within(c.Subnets, p) }

// AllowsRoute reports whether the node may lead to p.
func (c *Certificate) AllowsRoute(p netip.Prefix) bool { return within(c.Routes, p) }

// within reports whether p lies in one of list.
func within(list []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(list, func(outer netip.Prefix) bool {
		return outer.Bits() <= p.Bits() && outer.Overlaps(p)
	})
}

// signedHead is the length of the signature that what an authority signs begins with.
const signedHead = 64

// verify checks the certificate's signature. The error is ErrOtherAuthority or ErrForged.
func (c *Certificate) verify(keys AuthorityKeys) error {
	return keys.open(c.Authority, certificateContext, c.raw[signedHead:], c.raw[:signedHead])
}
