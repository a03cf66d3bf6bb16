package vectors

import (
	"crypto/ecdh"
	"encoding/binary"
	"hash"
	"slices"
)

// Noise is one end of a Noise handshake (revision 34) with X25519, ChaChaPoly and BLAKE2s, as its sections 5.1 to 5.3 and 9
// have it. The caller goes through the tokens of the pattern's messages itself.
type Noise struct {
	h, ck, k []byte
	n        uint64
}

// NewNoise begins a handshake of that name.
func NewNoise(name string, prologue []byte) *Noise {
	h := make([]byte, 32)
	if copy(h, name); len(name) > 32 {
		h = blake(nil, []byte(name))
	}
	s := &Noise{h: h, ck: h}
	s.MixHash(prologue)
	return s
}

func blake(dst []byte, parts ...[]byte) []byte {
	h := NewBLAKE2s()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(dst)
}

func (s *Noise) derive(input []byte, n int) (keys [][]byte) {
	secret := sum(func() hash.Hash { return NewBLAKE2s() }, s.ck, input)
	var last []byte
	for i := range n {
		last = sum(func() hash.Hash { return NewBLAKE2s() }, secret, last, []byte{byte(i + 1)})
		keys = append(keys, last)
	}
	return keys
}

// MixHash is the function of that name.
func (s *Noise) MixHash(data []byte) { s.h = blake(nil, s.h, data) }

// MixKey is the function of that name.
func (s *Noise) MixKey(input []byte) {
	keys := s.derive(input, 2)
	s.ck, s.k, s.n = keys[0], keys[1], 0
}

// PSK is the token psk.
func (s *Noise) PSK(psk []byte) {
	keys := s.derive(psk, 3)
	s.ck = keys[0]
	s.MixHash(keys[1])
	s.k, s.n = keys[2], 0
}

// E is the token e of a handshake with a pre-shared key, with the public key.
func (s *Noise) E(public []byte) {
	s.MixHash(public)
	s.MixKey(public)
}

// DH is one of the tokens ee, es, se and ss.
func (s *Noise) DH(private, public []byte) { s.MixKey(DH(private, public)) }

// Seal is EncryptAndHash of a static key or payload.
func (s *Noise) Seal(plain []byte) []byte {
	out := SealChaCha(s.k, NoiseNonce(s.n), plain, s.h)
	s.n++
	s.MixHash(out)
	return out
}

// Split gives the keys of the initiator's messages and of the responder's.
func (s *Noise) Split() (initiator, responder []byte) {
	keys := s.derive(nil, 2)
	return keys[0], keys[1]
}

// NoiseNonce is the nonce of message n under a key of ChaChaPoly.
func NoiseNonce(n uint64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 4), n)
}

// DH is X25519.
func DH(private, public []byte) []byte {
	k, err := ecdh.X25519().NewPrivateKey(slices.Clone(private))
	if err != nil {
		panic(err) // a key of another length
	}
	p, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		panic(err)
	}
	shared, err := k.ECDH(p)
	if err != nil {
		panic(err) // a point of low order
	}
	return shared
}

// PublicKey is the X25519 public key of a private one.
func PublicKey(private []byte) []byte {
	base := make([]byte, 32)
	base[0] = 9
	return DH(private, base)
}
