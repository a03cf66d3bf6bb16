package vectors

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// HKDF is HKDF of SHA-256 without a salt (RFC 5869): extract and expand.
func HKDF(secret []byte, info string, n int) []byte {
	return Expand(sum(sha256.New, make([]byte, sha256.Size), secret), info, n)
}

// Expand is HKDF-Expand of SHA-256 (RFC 5869, section 2.3).
func Expand(key []byte, info string, n int) (out []byte) {
	var block []byte
	for i := byte(1); len(out) < n; i++ {
		block = sum(sha256.New, key, block, []byte(info), []byte{i})
		out = append(out, block...)
	}
	return out[:n]
}

// HMAC is HMAC of SHA-256 (RFC 2104).
func HMAC(key, message []byte) []byte { return sum(sha256.New, key, message) }

func sum(h func() hash.Hash, key []byte, parts ...[]byte) []byte {
	mac := hmac.New(h, key)
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}
