package linkstate

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/weftnet/weft/trust"
)

// A page on the wire is an Ed25519 signature followed by a CBOR map with integer keys (RFC 8949, deterministic); the signature covers
// signatureContext and the map. Decoders ignore keys that they do not know, and the signature covers them.
const (
	signatureContext = "weft 1 link state\x00"
	signatureLen     = ed25519.SignatureSize

	maxStamp = math.MaxUint64 / 2 // leaves room to jump past
	linkLen  = 9                  // bytes of a link: the peer's number, and a byte with both classes

	// maxLinks is how many links a page may hold, so that a message with it has at most MaxMessage bytes: kind (1), age (2), signature
	// (64), and of the map its head (1), origin and stamp (10 each), bits (2), index (3), policy (2), head of the links (4).
	maxLinks = (MaxMessage - 3 - signatureLen - 32) / linkLen
)

// pageBody is the CBOR form of a page. Keys 1 to 6 are taken.
type pageBody struct {
	Origin uint64 `cbor:"1,keyasint"`
	Stamp  uint64 `cbor:"2,keyasint"`
	Bits   uint8  `cbor:"3,keyasint,omitempty"`
	Index  uint8  `cbor:"4,keyasint,omitempty"`
	Policy uint8  `cbor:"5,keyasint,omitempty"`
	Links  []byte `cbor:"6,keyasint,omitempty"`
}

var encoder, decoder = func() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err == nil {
		var dec cbor.DecMode
		dec, err = cbor.DecOptions{
			DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
			MaxNestedLevels: 4, MaxArrayElements: 16, MaxMapPairs: 32, UTF8: cbor.UTF8RejectInvalid,
		}.DecMode()
		if err == nil {
			return enc, dec
		}
	}
	panic("linkstate: cbor: " + err.Error()) // the options are constant
}()

// marshal encodes a body. All of them have integers and byte strings alone, which cannot fail.
func marshal(body any) []byte {
	raw, err := encoder.Marshal(body)
	if err != nil {
		panic("linkstate: encode: " + err.Error())
	}
	return raw
}

// unmarshal reads a body. Errors wrap ErrMessage.
func unmarshal(raw []byte, body any) error {
	if err := decoder.Unmarshal(raw, body); err != nil {
		return fmt.Errorf("linkstate: %w: %w", ErrMessage, err)
	}
	return nil
}

// sign makes p, of which version, policy and links are given, into a page of id.
func (p *page) sign(id *trust.Identity, now time.Time) *page {
	body := marshal(pageBody{
		Origin: uint64(p.origin), Stamp: p.stamp, Bits: p.span.bits, Index: p.span.index,
		Policy: uint8(p.policy), Links: packLinks(p.links),
	})
	p.raw = append(id.Sign(signedBytes(body)), body...)
	p.born, p.digest = now, p.sum()
	return p
}

func signedBytes(body []byte) []byte { return slices.Concat([]byte(signatureContext), body) }

// verify reports whether the page was signed with these keys.
func (p *page) verify(keys trust.PublicKeys) bool {
	return keys.Verify(signedBytes(p.raw[signatureLen:]), p.raw[:signatureLen])
}

// decodePage reads a page, whose signature it does not check. It keeps a copy of raw. Errors wrap ErrMessage.
func decodePage(raw []byte) (*page, error) {
	if len(raw) < signatureLen {
		return nil, fmt.Errorf("linkstate: %w: page of %d bytes", ErrMessage, len(raw))
	}
	var b pageBody
	if err := unmarshal(raw[signatureLen:], &b); err != nil {
		return nil, err
	}
	p := &page{
		version: version{trust.Number(b.Origin), span{b.Bits, b.Index}, b.Stamp},
		policy:  Policy(b.Policy), links: unpackLinks(b.Links), raw: slices.Clone(raw),
	}
	if err := p.check(len(b.Links)); err != nil {
		return nil, fmt.Errorf("linkstate: %w: %w", ErrMessage, err)
	}
	p.digest = p.sum()
	return p, nil
}

// check refuses what no node signs; packed is the length of the links in bytes.
func (p *page) check(packed int) error {
	if !p.span.valid() || p.stamp == 0 || p.stamp > maxStamp {
		return fmt.Errorf("page %d of 2^%d, stamp %d", p.span.index, p.span.bits, p.stamp)
	}
	if packed%linkLen != 0 {
		return fmt.Errorf("links of %d bytes", packed)
	}
	for i, l := range p.links {
		if !p.span.contains(l.peer) || l.peer == p.origin || i > 0 && p.links[i-1].peer >= l.peer {
			return fmt.Errorf("link %d, to %v, does not belong there", i, l.peer)
		}
	}
	return nil
}

func packLinks(links []stated) []byte {
	b := make([]byte, 0, linkLen*len(links))
	for _, l := range links {
		b = binary.BigEndian.AppendUint64(b, uint64(l.peer))
		b = append(b, uint8(l.rtt)<<4|uint8(l.loss))
	}
	return b
}

// unpackLinks reads whole links. Classes that are not known here count as the worst that is.
func unpackLinks(b []byte) []stated {
	links := make([]stated, 0, len(b)/linkLen)
	for ; len(b) >= linkLen; b = b[linkLen:] {
		class := b[linkLen-1]
		links = append(links, stated{
			trust.Number(binary.BigEndian.Uint64(b)),
			quality{min(RTTClass(class>>4), MaxRTTClass), min(LossClass(class&15), MaxLossClass)},
		})
	}
	return links
}
