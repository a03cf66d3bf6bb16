package mesh

import (
	"crypto/ed25519"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/weftnet/weft/trust"
)

// A claim on the wire is an Ed25519 signature followed by a CBOR map with integer keys; the signature covers
// signatureContext and the map. Decoders ignore keys that they do not know.
const (
	signatureContext = "weft 1 claim\x00"
	signatureLen     = ed25519.SignatureSize

	maxClaimLen   = 16 << 10
	maxNetworks   = 8
	maxEndpoints  = 32
	maxVersion    = math.MaxUint64 / 2 // leaves room to jump past
	maxUnixMillis = 1 << 47            // about the year 6400
)

// MaxPrefixes is how many subnets a claim may hold, and how many routes.
const MaxPrefixes = 256

// claimBody is the CBOR form. Keys 1 to 16 are taken.
type claimBody struct {
	DH           []byte           `cbor:"1,keyasint"`
	Sign         []byte           `cbor:"2,keyasint"`
	Version      uint64           `cbor:"3,keyasint"`
	Name         string           `cbor:"4,keyasint"`
	Kind         uint8            `cbor:"5,keyasint"`
	Network      []netip.Prefix   `cbor:"6,keyasint"`
	Subnets      []netip.Prefix   `cbor:"7,keyasint,omitempty"`
	Routes       []netip.Prefix   `cbor:"8,keyasint,omitempty"`
	Endpoints    []netip.AddrPort `cbor:"9,keyasint,omitempty"`
	UnderlayMTU  uint16           `cbor:"10,keyasint,omitempty"`
	Wire         [2]uint8         `cbor:"11,keyasint"`
	Capabilities uint64           `cbor:"12,keyasint,omitempty"`
	Since        uint64           `cbor:"13,keyasint"` // Unix time in milliseconds
	Cut          []netip.Prefix   `cbor:"14,keyasint,omitempty"`
	Certificate  []byte           `cbor:"15,keyasint,omitempty"`
	Predecessors [][]byte         `cbor:"16,keyasint,omitempty"`
}

var claimEncoder, claimDecoder = mustModes()

func mustModes() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("mesh: cbor: " + err.Error())
	}
	dec, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  8,
		MaxArrayElements: 1024,
		MaxMapPairs:      128,
		UTF8:             cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic("mesh: cbor: " + err.Error())
	}
	return enc, dec
}

func signedBytes(body []byte) []byte {
	return append([]byte(signatureContext), body...)
}

func encodeBody(c *Claim) ([]byte, error) {
	if c.UnderlayMTU < 0 || c.UnderlayMTU > math.MaxUint16 {
		return nil, fmt.Errorf("mesh: sign claim: underlay MTU %d", c.UnderlayMTU)
	}
	body, err := claimEncoder.Marshal(claimBody{
		DH: c.Keys.DH[:], Sign: c.Keys.Sign[:], Version: c.Version, Name: c.Name, Kind: uint8(c.Kind),
		Network: c.Network, Subnets: c.Subnets, Routes: c.Routes, Endpoints: c.Endpoints,
		UnderlayMTU: uint16(c.UnderlayMTU), Wire: [2]uint8{c.MinVersion, c.MaxVersion},
		Capabilities: c.Capabilities, Since: uint64(max(0, c.Since.UnixMilli())), Cut: c.Cut,
		Certificate: c.Certificate, Predecessors: rawPredecessors(c.Predecessors),
	})
	if err != nil {
		return nil, fmt.Errorf("mesh: encode claim: %w", err)
	}
	return body, nil
}

func decodeBody(raw []byte) (*Claim, error) {
	var b claimBody
	if err := claimDecoder.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("mesh: %w: %w", ErrClaim, err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("mesh: %w: %w", ErrClaim, err)
	}
	c := &Claim{
		Version: b.Version, Name: b.Name, Kind: Kind(b.Kind),
		Network: b.Network, Subnets: b.Subnets, Routes: b.Routes, Cut: b.Cut, Endpoints: callable(b.Endpoints),
		UnderlayMTU: int(b.UnderlayMTU), MinVersion: b.Wire[0], MaxVersion: b.Wire[1],
		Capabilities: b.Capabilities, Since: time.UnixMilli(int64(b.Since)), Certificate: b.Certificate,
		predecessors: b.Predecessors,
	}
	copy(c.Keys.DH[:], b.DH)
	copy(c.Keys.Sign[:], b.Sign)
	return c, nil
}

func (b *claimBody) check() error {
	if len(b.DH) != 32 || len(b.Sign) != 32 {
		return fmt.Errorf("keys of %d and %d bytes", len(b.DH), len(b.Sign))
	}
	if b.Version > maxVersion || b.Since > maxUnixMillis {
		return fmt.Errorf("version %d or time %d out of range", b.Version, b.Since)
	}
	if len(b.Network) > maxNetworks || len(b.Subnets) > MaxPrefixes || len(b.Routes) > MaxPrefixes ||
		len(b.Cut) > MaxPrefixes || len(b.Endpoints) > maxEndpoints || len(b.Predecessors) > maxPredecessors {
		return fmt.Errorf("too many prefixes, endpoints or predecessors")
	}
	if err := trust.CheckName(b.Name); err != nil {
		return err
	}
	return b.checkPrefixes()
}

func (b *claimBody) checkPrefixes() error {
	for _, list := range [][]netip.Prefix{b.Network, b.Subnets, b.Routes, b.Cut} {
		for _, p := range list {
			if err := checkPrefix(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPrefix(p netip.Prefix) error {
	if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
		return fmt.Errorf("bad prefix %v", p)
	}
	return nil
}

// checkObserved refuses what cannot be the other end of a stream, or not from other hosts' point of view. Loopback is
// allowed: where a stream came from, its other end is, and nobody else can make us see one from there.
func checkObserved(e netip.AddrPort) error {
	a := e.Addr()
	if !e.IsValid() || e.Port() == 0 || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		return fmt.Errorf("bad address %v", e)
	}
	return nil
}

// checkEndpoint refuses what a node may not say about itself: everybody calls it, so an address that means the caller's
// own host or link would aim all those calls at services there.
func checkEndpoint(e netip.AddrPort) error {
	if err := checkObserved(e); err != nil {
		return err
	}
	for _, s := range special {
		if s.prefix.Contains(e.Addr()) {
			return fmt.Errorf("bad endpoint %v: %s", e, s.what)
		}
	}
	return nil
}

// callable leaves out what checkEndpoint refuses: the rest of what said it still counts, so that a kind of endpoint that
// a later weft adds does not cost its nodes their claims.
func callable(endpoints []netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(endpoints, func(e netip.AddrPort) bool { return checkEndpoint(e) != nil })
}
