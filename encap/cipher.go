package encap

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"runtime"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/cpu"
)

// Cipher is an AEAD with a key of 32, a nonce of 12 and a tag of 16 bytes.
type Cipher uint8

// The ciphers.
const (
	CipherAES256GCM        Cipher = 1 // NIST SP 800-38D
	CipherChaCha20Poly1305 Cipher = 2 // RFC 8439
)

// String is the cipher's name for people.
func (c Cipher) String() string {
	switch c {
	case CipherAES256GCM:
		return "AES-256-GCM"
	case CipherChaCha20Poly1305:
		return "ChaCha20-Poly1305"
	default:
		return fmt.Sprintf("cipher %d", uint8(c))
	}
}

// PreferredCiphers lists all ciphers, the one that this CPU does best first.
func PreferredCiphers() []Cipher { return preferredCiphers(fastAES()) }

// preferredCiphers names ChaCha20-Poly1305 twice where AES is slow, which moves AES away by one place more: so a pair of which only
// one end is good at AES takes ChaCha20-Poly1305, which costs the one twice as much and saves the other many times that.
func preferredCiphers(fastAES bool) []Cipher {
	if fastAES {
		return []Cipher{CipherAES256GCM, CipherChaCha20Poly1305}
	}
	return []Cipher{CipherChaCha20Poly1305, CipherChaCha20Poly1305, CipherAES256GCM}
}

// fastAES reports whether the standard library has code for AES-GCM that this CPU runs; it asks as crypto/tls does. Without, AES
// takes many times as long, and its time depends on the key. With, it takes half as long as ChaCha20-Poly1305.
func fastAES() bool {
	switch runtime.GOARCH {
	case "amd64":
		return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3
	case "arm64":
		return cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
	case "s390x":
		return cpu.S390X.HasAES && cpu.S390X.HasAESCTR && cpu.S390X.HasGHASH
	case "ppc64", "ppc64le":
		return true
	default:
		return false
	}
}

func (c Cipher) aead(key []byte) (cipher.AEAD, error) {
	switch c {
	case CipherAES256GCM:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("encap: %s: %w", c, err)
		}
		return cipher.NewGCM(block)
	case CipherChaCha20Poly1305:
		return chacha20poly1305.New(key)
	default:
		return nil, fmt.Errorf("encap: unknown %s", c)
	}
}

// agreeCipher picks the cipher that both have and whose places in both lists have the smallest sum, of several the one with the
// smallest number; both sides find the same. A list may name a cipher twice; then its first place counts.
func agreeCipher(a, b []Cipher) (Cipher, bool) {
	best, cost := Cipher(0), 1<<30
	for i, c := range a {
		for j, d := range b {
			if c == d && (i+j < cost || i+j == cost && c < best) {
				best, cost = c, i+j
			}
		}
	}
	return best, best != 0
}
