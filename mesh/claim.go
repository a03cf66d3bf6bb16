package mesh

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// Kind says how a node came by its subnets. Claims of a kind that is not known here rank last.
type Kind uint8

// The kinds of claims, as on the wire.
const (
	KindStatic Kind = 1 // from the configuration
	KindAuto   Kind = 2 // taken through gossip
	KindK8s    Kind = 3 // given by Kubernetes

	KindReleased Kind = 4 // nothing: another identity took this one's place
)

// String is the word of the configuration file.
func (k Kind) String() string {
	switch k {
	case KindStatic:
		return "static"
	case KindAuto:
		return "auto"
	case KindK8s:
		return "k8s"
	case KindReleased:
		return "released"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ErrClaim is wrapped by all errors of DecodeClaim.
var ErrClaim = errors.New("not a valid claim")

// Digest is the SHA-256 of a claim's bytes.
type Digest [sha256.Size]byte

func digestOf(raw []byte) Digest { return sha256.Sum256(raw) }

// Claim is a node's signed statement of what it is and owns. It is immutable once signed or decoded: its slices must not
// be changed.
type Claim struct {
	Keys         trust.PublicKeys
	Version      uint64 // raised by the owner only
	Name         string
	Kind         Kind
	Network      []netip.Prefix
	Subnets      []netip.Prefix
	Routes       []netip.Prefix
	Cut          []netip.Prefix   // of Routes: those whose hosts the node does not reach itself at present
	Endpoints    []netip.AddrPort // without those that point to the reader's own host or link
	UnderlayMTU  int
	MinVersion   uint8 // of the wire
	MaxVersion   uint8
	Capabilities uint64
	Since        time.Time     // when the node first claimed these subnets and routes; milliseconds
	Certificate  []byte        // of an authority; empty: none. Who asks for one checks it
	Predecessors []Predecessor // identities whose place the node has taken, the latest first

	certificate *trust.Certificate // as it was checked; nil: it was not asked for. The owner sets it before anybody else sees the claim

	predecessors [][]byte // as decoded, before they are checked

	id     trust.Fingerprint
	raw    []byte // signed, as the owner made them
	digest Digest // of raw
}

// ID is the fingerprint of the claim's keys.
func (c *Claim) ID() trust.Fingerprint { return c.id }

// Sign makes the claim that content describes, with the keys of id.
func Sign(id *trust.Identity, content Claim) (*Claim, error) {
	content.Keys = id.Public()
	content.Since = content.Since.Truncate(time.Millisecond)
	body, err := encodeBody(&content)
	if err != nil {
		return nil, err
	}
	raw := append(id.Sign(signedBytes(body)), body...)
	return DecodeClaim(raw) // also says whether peers will take it
}

// DecodeClaim checks and reads a claim. It keeps a copy of raw. Errors wrap ErrClaim.
func DecodeClaim(raw []byte) (*Claim, error) {
	if len(raw) < signatureLen || len(raw) > maxClaimLen {
		return nil, fmt.Errorf("mesh: %w: %d bytes", ErrClaim, len(raw))
	}
	raw = slices.Clone(raw)
	sig, body := raw[:signatureLen], raw[signatureLen:]
	c, err := decodeBody(body)
	if err != nil {
		return nil, err
	}
	if !c.Keys.Verify(signedBytes(body), sig) {
		return nil, fmt.Errorf("mesh: %w: signature does not match", ErrClaim)
	}
	c.id, c.raw, c.digest = c.Keys.Fingerprint(), raw, digestOf(raw)
	if c.Predecessors, err = parsePredecessors(c.predecessors, c.id); err != nil {
		return nil, fmt.Errorf("mesh: %w: %w", ErrClaim, err)
	}
	return c, nil
}

// Raw are the claim's bytes as its owner signed them. They must not be changed.
func (c *Claim) Raw() []byte { return c.raw }

// supersedes reports whether c replaces o, another claim of the same key.
func (c *Claim) supersedes(o *Claim) bool {
	if c.Version != o.Version {
		return c.Version > o.Version
	}
	return slices.Compare(c.digest[:], o.digest[:]) > 0
}

// sameContent reports whether both say the same but for version and time.
func (c *Claim) sameContent(o *Claim) bool {
	return c.sameHoldings(o) && c.Name == o.Name && slices.Equal(c.Network, o.Network) &&
		slices.Equal(c.Cut, o.Cut) &&
		slices.Equal(c.Endpoints, o.Endpoints) && c.UnderlayMTU == o.UnderlayMTU &&
		c.MinVersion == o.MinVersion && c.MaxVersion == o.MaxVersion && c.Capabilities == o.Capabilities &&
		bytes.Equal(c.Certificate, o.Certificate) &&
		slices.EqualFunc(c.Predecessors, o.Predecessors, func(p, q Predecessor) bool { return bytes.Equal(p.raw, q.raw) })
}

// sameHoldings reports whether both claim the same prefixes in the same way.
func (c *Claim) sameHoldings(o *Claim) bool {
	return c.Kind == o.Kind && slices.Equal(c.Subnets, o.Subnets) && slices.Equal(c.Routes, o.Routes)
}
