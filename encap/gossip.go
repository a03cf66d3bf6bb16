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

// GossipOverhead is what a gossip frame adds to its packet at most: header, nonce, fingerprint, boot nonce, stamp, proof and tag.
const GossipOverhead = gossipHead + gossipFrom + gossipStampLen + gossipProofLen + TagLen

const (
	gossipNonceLen = 12 // random: one key is good for 2^32 frames (NIST SP 800-38D, section 8.3)
	gossipHead     = HeaderLen + gossipNonceLen
	gossipFrom     = len(trust.Fingerprint{}) + len(trust.BootNonce{})
	gossipStampLen = 8 + 8
)

// GossipSealer seals gossip between nodes that have no session: AES-256-GCM under a key of the cluster, another one each day. That
// proves membership; who sent it is the sender's own word, unless a frame has a proof (SealFor). It may be used from any goroutine.
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
	return g.seal(dst, g.keys.at(g.local.Ring, now).seal, g.stamped(packet), nil)
}

// SealFor is Seal with a proof for the peer of a pair, which must have CapPairGossip.
func (g *GossipSealer) SealFor(p *GossipPair, dst, packet []byte, now time.Time) []byte {
	return g.seal(dst, g.keys.at(g.local.Ring, now).seal, g.stamped(packet), p)
}

// stamped is what is sealed of a packet, with room for a proof.
func (g *GossipSealer) stamped(packet []byte) []byte {
	stamp := g.stamp()
	plain := append(make([]byte, 0, gossipFrom+gossipStampLen+len(packet)+gossipProofLen), g.from[:]...)
	plain = binary.BigEndian.AppendUint64(plain, stamp.Epoch)
	plain = binary.BigEndian.AppendUint64(plain, stamp.Seq)
	return append(plain, packet...)
}

// SealUndated appends a frame as builds understand it that know no epochs: it has no stamp, and its key never changes.
func (g *GossipSealer) SealUndated(dst, packet []byte, now time.Time) []byte {
	plain := append(make([]byte, 0, gossipFrom+len(packet)), g.from[:]...)
	return g.seal(dst, g.keys.at(g.local.Ring, now).undated, append(plain, packet...), nil)
}

// seal makes the frame; for a pair it adds the proof to plain, which it may write to.
func (g *GossipSealer) seal(dst []byte, k gossipKey, plain []byte, p *GossipPair) []byte {
	n := len(dst)
	h := Header{Type: GossipType, Index: k.index}
	if p != nil {
		h.Flags = FlagProven
	}
	dst = h.Append(dst)
	var nonce [gossipNonceLen]byte
	if _, err := io.ReadFull(g.local.random(), nonce[:]); err != nil {
		return nil
	}
	dst = append(dst, nonce[:]...)
	if p != nil {
		plain = append(plain, gossipProof(&p.out, dst[n:], plain)...)
	}
	return k.aead.Seal(dst, nonce[:], plain, dst[n:n+gossipHead])
}

// Hearsay is what a gossip frame says. Whoever holds the secret can say it in anybody's name, but for what MadeBy confirms.
type Hearsay struct {
	From   trust.Fingerprint
	Boot   trust.BootNonce
	Stamp  Stamp // grows with every frame of the sender; zero: its build gives none, or took ours for one of those
	Packet []byte

	head, plain, proof []byte // of a frame with a proof: what it is of, and the proof; head is borrowed from the frame
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
			return readHearsay(frame[:gossipHead], plain)
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
		if h, err := readHearsay(frame[:gossipHead], plain); err == nil {
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

var errUnstamped = errors.New("encap: gossip frame without a stamp, or a proof that it should have, under a key of a day")

// readHearsay reads what was sealed in a frame with that head.
func readHearsay(head, plain []byte) (Hearsay, error) {
	var h Hearsay
	copy(h.From[:], plain)
	copy(h.Boot[:], plain[len(h.From):])
	if binary.BigEndian.Uint32(head[4:]) == gossipUndated {
		h.Packet = plain[gossipFrom:]
		return h, nil
	}
	if head[1]&FlagProven != 0 {
		end := max(gossipFrom, len(plain)-gossipProofLen)
		h.head, h.plain, h.proof = head, plain[:end], plain[end:]
		plain = h.plain
	}
	h.Packet = plain[gossipFrom:]
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
