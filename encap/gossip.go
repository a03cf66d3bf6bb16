package encap

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/weftnet/weft/trust"
)

// GossipOverhead is what a gossip frame adds to its packet at most: header, nonce, fingerprint, boot nonce, stamp and tag.
const GossipOverhead = gossipHead + gossipFrom + gossipStampLen + TagLen

const (
	gossipNonceLen = 12 // random: one key is good for 2^32 frames (NIST SP 800-38D, section 8.3)
	gossipHead     = HeaderLen + gossipNonceLen
	gossipFrom     = len(trust.Fingerprint{}) + len(trust.BootNonce{})
	gossipStampLen = 8 + 8
)

// GossipSealer seals gossip between nodes that have no session: AES-256-GCM under a key of the cluster, another one each day. That
// proves membership; who sent it is the sender's own word. It may be used from any goroutine.
type GossipSealer struct {
	local *Local
	from  [gossipFrom]byte
	stamp func() Stamp
	keys  gossipKeyring
}

// NewGossipSealer makes the sealer of a node. stamp gives the stamps of its frames, which must grow across restarts, too.
func NewGossipSealer(l *Local, boot trust.BootNonce, stamp func() Stamp) *GossipSealer {
	g := &GossipSealer{local: l, stamp: stamp}
	self := l.Identity.Fingerprint()
	copy(g.from[:], self[:])
	copy(g.from[len(self):], boot[:])
	return g
}

// Seal appends a frame with packet in it to dst, which is good for one receiver and once. It returns nil if no nonce could be drawn.
func (g *GossipSealer) Seal(dst, packet []byte, now time.Time) []byte {
	keys := g.keys.at(g.local.Ring, now)
	stamp := g.stamp()
	plain := append(make([]byte, 0, gossipFrom+gossipStampLen+len(packet)), g.from[:]...)
	plain = binary.BigEndian.AppendUint64(plain, stamp.Epoch)
	plain = binary.BigEndian.AppendUint64(plain, stamp.Seq)
	return g.seal(dst, keys.seal, append(plain, packet...))
}

// SealUndated appends a frame as builds understand it that know no epochs: it has no stamp, and its key never changes.
func (g *GossipSealer) SealUndated(dst, packet []byte, now time.Time) []byte {
	plain := append(make([]byte, 0, gossipFrom+len(packet)), g.from[:]...)
	return g.seal(dst, g.keys.at(g.local.Ring, now).undated, append(plain, packet...))
}

func (g *GossipSealer) seal(dst []byte, k gossipKey, plain []byte) []byte {
	n := len(dst)
	dst = Header{Type: GossipType, Index: k.index}.Append(dst)
	var nonce [gossipNonceLen]byte
	if _, err := io.ReadFull(g.local.random(), nonce[:]); err != nil {
		return nil
	}
	dst = append(dst, nonce[:]...)
	return k.aead.Seal(dst, nonce[:], plain, dst[n:n+gossipHead])
}

// Hearsay is what a gossip frame says. Whoever holds the secret can say it in anybody's name.
type Hearsay struct {
	From   trust.Fingerprint
	Boot   trust.BootNonce
	Stamp  Stamp // grows with every frame of the sender; zero: its build gives none, or took ours for one of those
	Packet []byte
}

// Undated reports whether the frame has no stamp, so that nobody can tell whether it is a replayed one.
func (h *Hearsay) Undated() bool { return h.Stamp == Stamp{} }

// GossipClockError says that a gossip frame of a member is of another day than this node's and the two around it: one of the two clocks
// is wrong, or the frame is an old one.
type GossipClockError struct {
	From trust.Fingerprint
	Days int // that the frame's day is ahead of ours; negative: behind
}

// Error says which way.
func (e *GossipClockError) Error() string {
	if e.Days > 0 {
		return fmt.Sprintf("encap: gossip of a clock that is %d days ahead of ours", e.Days)
	}
	return fmt.Sprintf("encap: gossip of a clock that is %d days behind ours", -e.Days)
}

// Open takes a gossip frame apart. The error is that of ParseHeader, ErrType, ErrShort or ErrAuth, also for a frame under a
// key that this node does not have, or a *GossipClockError. Nothing of a frame is believed before its tag has been checked.
func (g *GossipSealer) Open(frame []byte, now time.Time) (Hearsay, error) {
	h, err := ParseHeader(frame)
	switch {
	case err != nil:
		return Hearsay{}, err
	case h.Type != GossipType:
		return Hearsay{}, ErrType
	case len(frame) < gossipHead+gossipFrom+TagLen:
		return Hearsay{}, ErrShort
	}
	for _, k := range g.keys.at(g.local.Ring, now).open {
		if k.index != h.Index {
			continue
		}
		if plain, err := k.openFrame(frame); err == nil {
			return readHearsay(plain, k.index)
		}
	}
	return Hearsay{}, g.misdated(frame, h.Index, now)
}

// misdated says why none of the present keys opens a frame.
func (g *GossipSealer) misdated(frame []byte, index uint32, now time.Time) error {
	held := g.local.Ring.All()
	for i := range held {
		epoch, ok := gossipEpochOf(index, &held[i], now)
		if !ok {
			continue
		}
		k := newGossipKey(&held[i], epoch)
		plain, err := k.openFrame(frame)
		if err != nil {
			continue
		}
		if h, err := readHearsay(plain, index); err == nil {
			return &GossipClockError{From: h.From, Days: int(epoch - gossipEpoch(now))}
		}
	}
	return ErrAuth
}

// openFrame opens a frame into memory of its own: a failed attempt, which clears what it writes to, leaves the frame to the next key.
func (k *gossipKey) openFrame(frame []byte) ([]byte, error) {
	head, body := frame[:gossipHead], frame[gossipHead:]
	return k.aead.Open(nil, head[HeaderLen:], body, head)
}

var errUnstamped = errors.New("encap: gossip frame without a stamp under a key of a day")

func readHearsay(plain []byte, index uint32) (Hearsay, error) {
	var h Hearsay
	copy(h.From[:], plain)
	copy(h.Boot[:], plain[len(h.From):])
	h.Packet = plain[gossipFrom:]
	if index == gossipUndated {
		return h, nil
	}
	if len(h.Packet) < gossipStampLen {
		return Hearsay{}, errUnstamped
	}
	h.Stamp = Stamp{Epoch: binary.BigEndian.Uint64(h.Packet), Seq: binary.BigEndian.Uint64(h.Packet[8:])}
	h.Packet = h.Packet[gossipStampLen:]
	if h.Undated() || h.Stamp.Seq == math.MaxUint64 {
		return Hearsay{}, errUnstamped
	}
	return h, nil
}

// gossipKey is one key of gossip frames.
type gossipKey struct {
	index uint32 // that stands in the frames
	aead  cipher.AEAD
}
