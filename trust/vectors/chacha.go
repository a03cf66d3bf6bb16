package vectors

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math/big"
	"math/bits"
	"slices"
)

// SealAES is AES-256-GCM (NIST SP 800-38D) with a nonce of 12 bytes.
func SealAES(key, nonce, plain, data []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // a key of another length
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return gcm.Seal(nil, nonce, plain, data)
}

// SealChaCha is ChaCha20-Poly1305 (RFC 8439, section 2.8) with a nonce of 12 bytes.
func SealChaCha(key, nonce, plain, data []byte) []byte {
	cipher := chacha20(key, nonce, 1, plain)
	tag := poly1305(chacha20(key, nonce, 0, make([]byte, 32)), slices.Concat(
		data, make([]byte, -len(data)&15), cipher, make([]byte, -len(cipher)&15),
		binary.LittleEndian.AppendUint64(nil, uint64(len(data))), binary.LittleEndian.AppendUint64(nil, uint64(len(cipher)))))
	return append(cipher, tag...)
}

// SealXChaCha is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a nonce of 24 bytes.
func SealXChaCha(key, nonce, plain, data []byte) []byte {
	state := chachaState(key, nonce[4:16], binary.LittleEndian.Uint32(nonce))
	rounds(&state)
	var sub []byte
	for _, i := range []int{0, 1, 2, 3, 12, 13, 14, 15} {
		sub = binary.LittleEndian.AppendUint32(sub, state[i])
	}
	return SealChaCha(sub, append(make([]byte, 4), nonce[16:]...), plain, data)
}

// chacha20 is the cipher of RFC 8439, section 2.4.
func chacha20(key, nonce []byte, counter uint32, text []byte) []byte {
	var out []byte
	for ; len(out) < len(text); counter++ {
		first := chachaState(key, nonce, counter)
		last := first
		rounds(&last)
		for i := range last {
			out = binary.LittleEndian.AppendUint32(out, last[i]+first[i])
		}
	}
	out = out[:len(text)]
	subtle.XORBytes(out, out, text)
	return out
}

func chachaState(key, nonce []byte, counter uint32) (s [16]uint32) {
	s = [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	for i := range 8 {
		s[4+i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	s[12] = counter
	for i := range 3 {
		s[13+i] = binary.LittleEndian.Uint32(nonce[4*i:])
	}
	return s
}

// rounds are the 20 rounds of ChaCha: columns and diagonals, by turns.
func rounds(s *[16]uint32) {
	for range 10 {
		for i := range 4 {
			quarter(s, i, 4+i, 8+i, 12+i)
		}
		for i := range 4 {
			quarter(s, i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4)
		}
	}
}

func quarter(s *[16]uint32, a, b, c, d int) {
	for _, n := range [][2]int{{16, 12}, {8, 7}} {
		s[a] += s[b]
		s[d] = bits.RotateLeft32(s[d]^s[a], n[0])
		s[c] += s[d]
		s[b] = bits.RotateLeft32(s[b]^s[c], n[1])
	}
}

// poly1305 is the authenticator of RFC 8439, section 2.5, in numbers of any size.
func poly1305(key, message []byte) []byte {
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 130), big.NewInt(5))
	clamp, _ := new(big.Int).SetString("0ffffffc0ffffffc0ffffffc0fffffff", 16)
	r, sum := new(big.Int).And(little(key[:16]), clamp), new(big.Int)
	for len(message) > 0 {
		n := min(16, len(message))
		sum.Add(sum, little(append(slices.Clone(message[:n]), 1)))
		sum.Mod(sum.Mul(sum, r), prime)
		message = message[n:]
	}
	sum.Add(sum, little(key[16:]))
	all := sum.FillBytes(make([]byte, 32))
	slices.Reverse(all)
	return all[:16]
}

func little(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}
