package trust

import (
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// What the authority signs is, on the wire, an Ed25519 signature followed by a CBOR map with integer keys (RFC 8949,
// deterministic); the signature covers a context label and the map. Decoders ignore keys that they do not know, and the
// signature covers them. In a file it is the body of a PEM block (RFC 7468).

// maxSignedFile bounds what is read of a file with PEM blocks, in bytes.
const maxSignedFile = 64 << 10

// signedEncoder writes deterministic CBOR, and signedDecoder reads with bounds, tokens too.
var signedEncoder, signedDecoder = func() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err == nil {
		var dec cbor.DecMode
		dec, err = cbor.DecOptions{
			DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
			MaxNestedLevels: 4, MaxArrayElements: 64, MaxMapPairs: 32, UTF8: cbor.UTF8RejectInvalid,
		}.DecMode()
		if err == nil {
			return enc, dec
		}
	}
	panic("trust: cbor: " + err.Error()) // the options are constant
}()

// blockOf finds the first PEM block of a type in a text. The error says what the text is instead, without quoting it.
func blockOf(text []byte, kind, maker string) ([]byte, error) {
	text = []byte(strings.TrimPrefix(string(text), byteOrderMark))
	var others []string
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, notBlock(others, kind, maker)
		}
		if block.Type == kind {
			return block.Bytes, nil
		}
		others = append(others, block.Type)
	}
}

// notBlock says what a text is that has no block of a type: others are those that it has. Their names are quoted, and cut short:
// anything may stand there.
func notBlock(others []string, kind, maker string) error {
	what := "it has no PEM block"
	if len(others) > 0 {
		what = fmt.Sprintf("it holds a %q", others[0][:min(len(others[0]), 40)])
	}
	return fmt.Errorf("%s (it should hold a %q, as %s writes it)", what, kind, maker)
}

// blockText is the PEM block of raw.
func blockText(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}

// labelled is what a signature covers.
func labelled(context string, body []byte) []byte { return slices.Concat([]byte(context), body) }
