package linkstate

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

func uint64Bytes(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// checkPageAgain makes the page of the known answer a second time, by what docs/protocol.md says.
func checkPageAgain(t *testing.T, v pageVector) {
	t.Helper()
	sign := ed25519.NewKeyFromSeed(vectors.HKDF(v.Seed, "weft 1 node sign", 32))
	dh := vectors.PublicKey(vectors.HKDF(v.Seed, "weft 1 node dh", 32))
	fingerprint := sha256.Sum256(slices.Concat(dh, sign.Public().(ed25519.PublicKey)))
	number := binary.BigEndian.Uint64(fingerprint[:])
	body := vectors.CBOR(vectors.Map{
		{Key: 1, Value: number}, {Key: 2, Value: uint64(1_700_000_000_123)}, {Key: 3, Value: uint64(2)}, {Key: 4, Value: uint64(1)},
		{Key: 5, Value: uint64(1)},
		{Key: 6, Value: slices.Concat(uint64Bytes(0x4000000000000001), []byte{0x31}, uint64Bytes(0x7fffffffffffffff), []byte{0xc5})},
	})
	signature := ed25519.Sign(sign, append([]byte("weft 1 link state\x00"), body...))
	version := slices.Concat(fingerprint[:8], []byte{2, 1}, uint64Bytes(1_700_000_000_123))
	sum := sha256.Sum256(version)
	vectors.Equal(t, "body", v.Body, body)
	vectors.Equal(t, "signature", v.Signature, signature)
	vectors.Equal(t, "message", v.Message, slices.Concat([]byte{1, 0, 90}, signature, body))
	vectors.Equal(t, "version", v.Version, version)
	vectors.Equal(t, "sum", v.Sum, sum[:8])
}
