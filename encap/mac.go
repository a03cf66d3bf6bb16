package encap

import (
	"crypto/hkdf"
	"crypto/sha256"
	"hash"
	"sync"

	"golang.org/x/crypto/blake2s"

	"github.com/weftnet/weft/trust"
)

const macLen = 16 // BLAKE2s-128, keyed

// macKey is the key of the MAC on handshake frames to that node.
func macKey(k *trust.Keys, to trust.Fingerprint) [32]byte {
	key, err := hkdf.Expand(sha256.New, k.MAC[:], "weft 1 mac1"+string(to[:]), 32)
	if err != nil { // only for lengths over 255 hashes
		panic("encap: hkdf: " + err.Error())
	}
	return [32]byte(key)
}

// newMAC is the hash of MACs under a key.
func newMAC(key *[32]byte) hash.Hash {
	h, err := blake2s.New128(key[:])
	if err != nil { // only for keys over 32 bytes
		panic("encap: blake2s: " + err.Error())
	}
	return h
}

// macOf is the MAC of a handshake frame without its last 16 bytes.
func macOf(key *[32]byte, frame []byte) (sum [macLen]byte) {
	h := newMAC(key)
	h.Write(frame)
	h.Sum(sum[:0])
	return sum
}

func appendMAC(key *[32]byte, frame []byte) []byte {
	sum := macOf(key, frame)
	return append(frame, sum[:]...)
}

// macs makes many MACs under one key, without an allocation for each. It may be used from any goroutine.
type macs struct {
	key    [32]byte
	states sync.Pool // of *macState
}

type macState struct {
	hash hash.Hash
	sum  [macLen]byte
}

// of is macOf.
func (m *macs) of(frame []byte) [macLen]byte {
	s, _ := m.states.Get().(*macState)
	if s == nil {
		s = &macState{hash: newMAC(&m.key)}
	}
	defer m.states.Put(s)
	s.hash.Reset()
	s.hash.Write(frame)
	s.hash.Sum(s.sum[:0])
	return s.sum
}
