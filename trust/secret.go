package trust

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weftnet/weft/atomicfile"
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

// ParseSecret reads the text form; white space around it and a byte order mark before it are ignored.
// The error wraps ErrSecret and never holds the text.
func ParseSecret(text string) (Secret, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, byteOrderMark))
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err == nil && len(raw) == SecretLen {
		return Secret(raw), nil
	}
	return Secret{}, fmt.Errorf("%w: %s (it is one line of %d characters, as 'weft secret' prints it; all nodes of a cluster have the same)",
		ErrSecret, whyNoSecret(text), secretTextLen)
}

// byteOrderMark is what some editors put before a text.
const byteOrderMark = "\ufeff"

// secretTextLen is the length of Secret.Text.
const secretTextLen = (SecretLen + 2) / 3 * 4

// whyNoSecret says what a text is that is not a secret, without showing any of it.
func whyNoSecret(text string) string {
	switch {
	case text == "":
		return "it is empty"
	case strings.HasPrefix(text, tokenPrefix+tokenVersion+"."):
		return "it is a token, which is for 'weft join'"
	case strings.ContainsAny(text, "\r\n"):
		return "it has several lines"
	case len(text) != secretTextLen && len(text) != secretTextLen-1:
		return fmt.Sprintf("it has %d characters", len(text))
	}
	return "it is not base64"
}

// Text is the form that ParseSecret reads.
func (s Secret) Text() string { return base64.StdEncoding.EncodeToString(s[:]) }

// maxSecretFile is far more than a secret with white space around it has.
const maxSecretFile = 4 << 10

// ReadSecretFile reads a secret from a file, which must be a regular one. Errors name the file. exposed says that others than the owner may read it.
func ReadSecretFile(path string) (s Secret, exposed bool, err error) {
	text, info, err := atomicfile.Read(path, maxSecretFile)
	if err != nil {
		return Secret{}, false, fmt.Errorf("trust: %w", err)
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
