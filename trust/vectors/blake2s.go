package vectors

import (
	"encoding/binary"
	"hash"
	"math/bits"
)

// blake2s is the hash of RFC 7693. It keeps what was written and does all the work in Sum.
type blake2s struct {
	key  []byte
	size int
	in   []byte
}

// NewBLAKE2s is BLAKE2s with 32 bytes of result, without a key.
func NewBLAKE2s() hash.Hash { return &blake2s{size: 32} }

// MAC is BLAKE2s with 16 bytes of result under a key of up to 32 bytes.
func MAC(key, message []byte) []byte {
	h := &blake2s{key: key, size: 16}
	h.Write(message)
	return h.Sum(nil)
}

// Write implements io.Writer.
func (b *blake2s) Write(p []byte) (int, error) {
	b.in = append(b.in, p...)
	return len(p), nil
}

// Reset implements hash.Hash.
func (b *blake2s) Reset() { b.in = nil }

// Size implements hash.Hash.
func (b *blake2s) Size() int { return b.size }

// BlockSize implements hash.Hash.
func (b *blake2s) BlockSize() int { return 64 }

var blakeIV = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

var blakeSigma = [10][16]uint8{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
}

// Sum implements hash.Hash.
func (b *blake2s) Sum(dst []byte) []byte {
	h := blakeIV
	h[0] ^= 0x01010000 ^ uint32(len(b.key))<<8 ^ uint32(b.size)
	var in []byte
	if len(b.key) > 0 {
		in = append(append(in, b.key...), make([]byte, 64-len(b.key))...)
	}
	in = append(in, b.in...)
	for done := uint64(0); ; {
		var block [64]byte
		n := copy(block[:], in)
		in = in[n:]
		done += uint64(n)
		compress(&h, &block, done, len(in) == 0)
		if len(in) == 0 {
			break
		}
	}
	var out []byte
	for _, word := range h {
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	return append(dst, out[:b.size]...)
}

// compress is the function F of RFC 7693, section 3.2.
func compress(h *[8]uint32, block *[64]byte, done uint64, last bool) {
	var v [16]uint32
	copy(v[:8], h[:])
	copy(v[8:], blakeIV[:])
	v[12] ^= uint32(done)
	v[13] ^= uint32(done >> 32)
	if last {
		v[14] = ^v[14]
	}
	for _, s := range blakeSigma {
		word := func(i int) uint32 { return binary.LittleEndian.Uint32(block[4*s[i]:]) }
		for i := range 4 {
			mix(&v, i, 4+i, 8+i, 12+i, word(2*i), word(2*i+1))
		}
		for i := range 4 {
			mix(&v, i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4, word(8+2*i), word(9+2*i))
		}
	}
	for i := range h {
		h[i] ^= v[i] ^ v[i+8]
	}
}

func mix(v *[16]uint32, a, b, c, d int, x, y uint32) {
	v[a] += v[b] + x
	v[d] = bits.RotateLeft32(v[d]^v[a], -16)
	v[c] += v[d]
	v[b] = bits.RotateLeft32(v[b]^v[c], -12)
	v[a] += v[b] + y
	v[d] = bits.RotateLeft32(v[d]^v[a], -8)
	v[c] += v[d]
	v[b] = bits.RotateLeft32(v[b]^v[c], -7)
}
