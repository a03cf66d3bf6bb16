package trust

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// ParseSecret reads the text form; white space around it and a byte order mark before it are ignored.
// The error wraps ErrSecret and never holds the text.
func ParseSecret(text string) (Secret, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, byteOrderMark))
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err == nil && len(raw) == SecretLen && Secret(raw) != (Secret{}) {
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
	case strings.TrimRight(text, "=") == strings.TrimRight(Secret{}.Text(), "="):
		return "it holds zeros alone"
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

// ID is the public name of the secret: the id of the cluster that it makes.
func (s Secret) ID() SecretID {
	var id SecretID
	s.expand("weft 1 cluster id", id[:])
	return id
}

// Text is the form that ParseSecret reads.
func (s Secret) Text() string { return base64.StdEncoding.EncodeToString(s[:]) }

// SecretID names a secret, and the cluster that it makes, without telling anything of it: 16 bytes of HKDF.
type SecretID [16]byte

// Short is the first 4 bytes in hexadecimal, for people.
func (id SecretID) Short() string { return hex.EncodeToString(id[:4]) }

// Keys are the keys made from the secret by HKDF-SHA256, one for each purpose.
type Keys struct {
	ClusterID SecretID // names the cluster; public
	Gossip    [32]byte // seals gossip frames
	Stream    [32]byte // psk of gossip streams (Noise XXpsk0)
	PSK       [32]byte // psk of session handshakes (Noise IKpsk2)
	MAC       [32]byte // first check of handshake frames
	Token     [32]byte // authenticates join tokens
}

// Derive makes the keys. The labels are part of the wire format.
func (s Secret) Derive() Keys {
	var k Keys
	k.ClusterID = s.ID()
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
