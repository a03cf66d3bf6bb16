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
	"sync/atomic"
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
	Ring     *trust.Ring // the cluster's keys; they may change
	Settings Settings
	Name     string    // a label, for people; cut after MaxName bytes
	Rand     io.Reader // read from any goroutine; nil: crypto/rand

	marks   atomic.Pointer[marks]
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
func macKey(k *trust.Keys, to trust.Fingerprint) [32]byte {
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

// handshakeBody is a handshake frame to this node whose MAC is right.
type handshakeBody struct {
	header Header
	sender uint32      // index of the frame's sender
	msg    []byte      // of Noise; borrowed from the frame
	mac    []byte      // likewise
	keys   *trust.Keys // of the cluster, that the frame is under
}

// openHandshake checks type, length and MAC of a handshake frame to this node.
func (l *Local) openHandshake(frame []byte, want Type) (b handshakeBody, err error) {
	b.header, err = ParseHeader(frame)
	switch {
	case err != nil:
		return b, err
	case b.header.Type != want:
		return b, ErrType
	case len(frame) < handshakeHead+macLen:
		return b, ErrShort
	}
	end, ok := markEnd(frame)
	if !ok {
		return b, ErrShort
	}
	b.mac = frame[end : end+macLen]
	if b.keys = l.markedBy(frame[:end], b.mac); b.keys == nil {
		return b, ErrMAC
	}
	b.sender, b.msg = binary.BigEndian.Uint32(frame[HeaderLen:]), frame[handshakeHead:end]
	return b, nil
}

// markEnd is where the MAC of a handshake frame begins: at its end, or before the MAC of the cookie.
func markEnd(frame []byte) (at int, ok bool) {
	at = len(frame) - macLen
	if frame[1]&FlagCookie != 0 {
		at -= macLen
	}
	return at, at >= handshakeHead
}

// Marked reports whether an initiation or response to this node carries the MAC of a cluster that the node is in: only then it
// is worth a copy. It takes less than a microsecond, and may be called from any goroutine.
func (l *Local) Marked(frame []byte) bool {
	if len(frame) < handshakeHead+macLen {
		return false
	}
	end, ok := markEnd(frame)
	return ok && l.markedBy(frame[:end], frame[end:end+macLen]) != nil
}

// markedBy finds the keys under which mac is the MAC of a frame to this node; nil: none.
func (l *Local) markedBy(frame, mac []byte) *trust.Keys {
	m := l.ownMarks()
	for i := range m.held {
		sum := macOf(&m.macs[i], frame)
		if subtle.ConstantTimeCompare(sum[:], mac) == 1 {
			return &m.held[i]
		}
	}
	return nil
}

// marks are the keys of the MACs on frames to this node, one for each secret of the ring.
type marks struct {
	held []trust.Keys
	macs [][32]byte
}

// ownMarks are those of the ring as it is now.
func (l *Local) ownMarks() *marks {
	held := l.Ring.All()
	if m := l.marks.Load(); m != nil && &m.held[0] == &held[0] {
		return m
	}
	m := &marks{held: held}
	for i := range held {
		m.macs = append(m.macs, macKey(&held[i], l.Identity.Fingerprint()))
	}
	l.marks.Store(m)
	return m
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

// sessionConfig is what all handshakes over UDP with that responder share, under the keys k of a cluster: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s with
// "weft 1", the cluster id and the responder's fingerprint in the prologue. The handshake itself proves only X25519 keys;
// the fingerprint binds it to the responder's whole identity. Without it, whoever claims to be {X25519 key of a victim,
// signing key of its own} would have all handshakes to that node completed by the victim, in the place of honest ones.
// The initiator's whole identity is in its authenticated payload. The head of the initiation, header and sender's index, ends
// the prologue: nothing in that frame can be altered without the responder's noticing.
func (l *Local) sessionConfig(k *trust.Keys, responder trust.Fingerprint, head []byte) noise.Config {
	cfg := l.noiseConfig()
	cfg.Pattern = noise.HandshakeIK
	cfg.Prologue = slices.Concat([]byte("weft 1"), k.ClusterID[:], responder[:], head)
	cfg.PresharedKey, cfg.PresharedKeyPlacement = k.PSK[:], 2
	return cfg
}

func handshakeError(operation string, err error) error {
	return fmt.Errorf("encap: %s: %w", operation, err)
}
