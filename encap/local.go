package encap

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/flynn/noise"
	"golang.org/x/crypto/blake2s"

	"github.com/weftnet/weft/trust"
)

// Local is this node as its handshakes show it. All sessions and streams of a node share one Local; its fields must not
// change after the first use.
type Local struct {
	Identity *trust.Identity
	Keys     trust.Keys
	Settings Settings
	Name     string    // a label, for people; cut after MaxName bytes
	Rand     io.Reader // nil: crypto/rand

	once    sync.Once
	ownMAC  [32]byte // key of the MAC on frames to this node
	indexes indexSet
}

// ErrMAC says that a handshake frame was not made by a member of the cluster for this node.
var ErrMAC = errors.New("encap: handshake frame does not carry the cluster's mark")

const (
	macLen        = 16 // BLAKE2s-128, keyed
	handshakeHead = HeaderLen + 4
	maxHandshake  = 1232 // IPv6 minimum MTU less IPv6 and UDP headers: no handshake is ever fragmented
)

var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2s)

// macKey is the key of the MAC on handshake frames to that node.
func macKey(k trust.Keys, to trust.Fingerprint) [32]byte {
	key, err := hkdf.Expand(sha256.New, k.MAC[:], "weft 1 mac1"+string(to[:]), 32)
	if err != nil { // only for lengths over 255 hashes
		panic("encap: hkdf: " + err.Error())
	}
	return [32]byte(key)
}

// macOf is the MAC of a handshake frame without its last 16 bytes.
func macOf(key *[32]byte, frame []byte) (sum [macLen]byte) {
	h, err := blake2s.New128(key[:])
	if err != nil { // only for keys over 32 bytes
		panic("encap: blake2s: " + err.Error())
	}
	h.Write(frame)
	h.Sum(sum[:0])
	return sum
}

func appendMAC(key *[32]byte, frame []byte) []byte {
	sum := macOf(key, frame)
	return append(frame, sum[:]...)
}

// handshakeBody checks type, length and MAC of a handshake frame to this node, and returns the sender's index and the
// Noise message.
func (l *Local) handshakeBody(frame []byte, want Type) (h Header, sender uint32, msg []byte, err error) {
	h, err = ParseHeader(frame)
	switch {
	case err != nil:
		return h, 0, nil, err
	case h.Type != want:
		return h, 0, nil, ErrType
	case len(frame) < handshakeHead+macLen:
		return h, 0, nil, ErrShort
	}
	end := len(frame) - macLen
	sum := macOf(l.macKey(), frame[:end])
	if subtle.ConstantTimeCompare(sum[:], frame[end:]) != 1 {
		return h, 0, nil, ErrMAC
	}
	return h, binary.BigEndian.Uint32(frame[HeaderLen:]), frame[handshakeHead:end], nil
}

func (l *Local) macKey() *[32]byte {
	l.once.Do(func() { l.ownMAC = macKey(l.Keys, l.Identity.Fingerprint()) })
	return &l.ownMAC
}

func (l *Local) random() io.Reader {
	if l.Rand == nil {
		return rand.Reader
	}
	return l.Rand
}

func (l *Local) name() string { return printable(l.Name[:min(len(l.Name), MaxName)]) }

// printable is a name that may be shown: what could move a cursor or is no text at all becomes a question mark.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
}

// noiseConfig is what all handshakes of this node share.
func (l *Local) noiseConfig() noise.Config {
	private, public := l.Identity.DHPrivate(), l.Identity.Public().DH
	return noise.Config{
		CipherSuite: suite, Random: l.random(), StaticKeypair: noise.DHKey{Private: private[:], Public: public[:]},
	}
}

// sessionConfig is what all handshakes over UDP with that responder share: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s with
// "weft 1", the cluster id and the responder's fingerprint in the prologue. The handshake itself proves only X25519 keys;
// the fingerprint binds it to the responder's whole identity. Without it, whoever claims to be {X25519 key of a victim,
// signing key of its own} would have all handshakes to that node completed by the victim, in the place of honest ones.
// The initiator's whole identity is in its authenticated payload. The head of the initiation, header and sender's index, ends
// the prologue: nothing in that frame can be altered without the responder's noticing.
func (l *Local) sessionConfig(responder trust.Fingerprint, head []byte) noise.Config {
	cfg := l.noiseConfig()
	cfg.Pattern = noise.HandshakeIK
	cfg.Prologue = slices.Concat([]byte("weft 1"), l.Keys.ClusterID[:], responder[:], head)
	cfg.PresharedKey, cfg.PresharedKeyPlacement = l.Keys.PSK[:], 2
	return cfg
}

func handshakeError(operation string, err error) error {
	return fmt.Errorf("encap: %s: %w", operation, err)
}
