package trust

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// SecretLen is the length of the cluster secret in bytes.
const SecretLen = 32

// Secret is the cluster secret. Its text form is unpadded or padded standard base64 (43 or 44 characters).
type Secret [SecretLen]byte

// ErrSecret says that a text is not a cluster secret.
var ErrSecret = errors.New("not a cluster secret")

// NewSecret draws a secret from random.
func NewSecret(random io.Reader) (Secret, error) {
	var s Secret
	if _, err := io.ReadFull(random, s[:]); err != nil {
		return Secret{}, fmt.Errorf("trust: draw secret: %w", err)
	}
	return s, nil
}

// ParseSecret reads the text form; white space around it is ignored.
// The error wraps ErrSecret and never holds the text.
func ParseSecret(text string) (Secret, error) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(text), "="))
	if err != nil {
		return Secret{}, fmt.Errorf("%w: it is not base64 (make one with 'weft secret')", ErrSecret)
	}
	if len(raw) != SecretLen {
		return Secret{}, fmt.Errorf("%w: it has %d bytes, not %d (make one with 'weft secret')", ErrSecret, len(raw), SecretLen)
	}
	return Secret(raw), nil
}

// Text is the form that ParseSecret reads.
func (s Secret) Text() string { return base64.StdEncoding.EncodeToString(s[:]) }

// ReadSecretFile reads a secret from a file. exposed says that others than the owner may read it.
func ReadSecretFile(path string) (s Secret, exposed bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return Secret{}, false, fmt.Errorf("trust: read secret: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Secret{}, false, fmt.Errorf("trust: read secret: %w", err)
	}
	s, err = ParseSecret(string(text))
	if err != nil {
		return Secret{}, false, fmt.Errorf("trust: %s: %w", path, err)
	}
	return s, info.Mode().Perm()&0o077 != 0, nil
}

// Keys are the keys made from the secret by HKDF-SHA256, one for each purpose.
type Keys struct {
	ClusterID [16]byte // names the cluster; public
	Gossip    [32]byte // seals gossip frames
	Stream    [32]byte // psk of gossip streams (Noise XXpsk0)
	PSK       [32]byte // psk of session handshakes (Noise IKpsk2)
	MAC       [32]byte // first check of handshake frames
	Token     [32]byte // authenticates join tokens
}

// Derive makes the keys. The labels are part of the wire format.
func (s Secret) Derive() Keys {
	var k Keys
	s.expand("weft 1 cluster id", k.ClusterID[:])
	s.expand("weft 1 gossip", k.Gossip[:])
	s.expand("weft 1 stream", k.Stream[:])
	s.expand("weft 1 handshake psk", k.PSK[:])
	s.expand("weft 1 handshake mac", k.MAC[:])
	s.expand("weft 1 token", k.Token[:])
	return k
}

func (s Secret) expand(label string, out []byte) {
	key, err := hkdf.Key(sha256.New, s[:], nil, label, len(out))
	if err != nil { // only for lengths over 255 hashes
		panic("trust: hkdf: " + err.Error())
	}
	copy(out, key)
}
