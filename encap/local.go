package encap

import (
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/flynn/noise"

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

	marks   atomic.Pointer[markRing]
	indexes indexSet
}

const (
	handshakeHead = HeaderLen + 4
	maxHandshake  = 1232 // IPv6 minimum MTU less IPv6 and UDP headers: no handshake is ever fragmented
)

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

// noiseConfig is what all handshakes of this node share. c is of this one alone.
func (l *Local) noiseConfig(c *curve) noise.Config {
	public := l.Identity.Public().DH
	return noise.Config{
		CipherSuite: c.suite(), Random: l.random(), StaticKeypair: noise.DHKey{Private: c.static.raw, Public: public[:]},
	}
}

// sessionConfig is what all handshakes over UDP with that responder share, under the keys k of a cluster: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s with
// "weft 1", the cluster id and the responder's fingerprint in the prologue. The handshake itself proves only X25519 keys;
// the fingerprint binds it to the responder's whole identity. Without it, whoever claims to be {X25519 key of a victim,
// signing key of its own} would have all handshakes to that node completed by the victim, in the place of honest ones.
// The initiator's whole identity is in its authenticated payload. The head of the initiation, header and sender's index, ends
// the prologue: nothing in that frame can be altered without the responder's noticing.
func (l *Local) sessionConfig(k *trust.Keys, responder trust.Fingerprint, head []byte) noise.Config {
	cfg := l.noiseConfig(newCurve(l.Identity)) // which nothing refers to once the keys are made
	cfg.Pattern = noise.HandshakeIK
	cfg.Prologue = slices.Concat([]byte("weft 1"), k.ClusterID[:], responder[:], head)
	cfg.PresharedKey, cfg.PresharedKeyPlacement = k.PSK[:], 2
	return cfg
}

func handshakeError(operation string, err error) error {
	return fmt.Errorf("encap: %s: %w", operation, err)
}
