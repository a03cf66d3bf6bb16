package encap

import (
	"crypto/cipher"
	"crypto/rand"
	"io"

	"github.com/weftnet/weft/trust"
)

// GossipOverhead is what a gossip frame adds to its packet: header, nonce, fingerprint, boot nonce and tag.
const GossipOverhead = HeaderLen + gossipNonceLen + len(trust.Fingerprint{}) + len(trust.BootNonce{}) + TagLen

const (
	gossipNonceLen = 12 // random: one key is good for 2^32 frames (NIST SP 800-38D, section 8.3)
	gossipHead     = HeaderLen + gossipNonceLen
	gossipFrom     = len(trust.Fingerprint{}) + len(trust.BootNonce{})

	// gossipKey is the number of the key that a gossip frame is sealed under; it stands in the frame's index. There is one
	// key now. A second one is for the time in which a cluster goes from one secret to the next.
	gossipKey = 0
)

// GossipSealer seals gossip between nodes that have no session: AES-256-GCM under a key of the cluster. That proves
// membership; who sent it is the sender's own word. It may be used from any goroutine.
type GossipSealer struct {
	aead   cipher.AEAD
	from   [gossipFrom]byte
	random io.Reader
}

// NewGossipSealer makes a sealer of the cluster's gossip key. random may be nil: crypto/rand.
func NewGossipSealer(key [32]byte, self trust.Fingerprint, boot trust.BootNonce, random io.Reader) *GossipSealer {
	aead, err := CipherAES256GCM.aead(key[:])
	if err != nil { // only for keys of another length
		panic(err)
	}
	if random == nil {
		random = rand.Reader
	}
	g := &GossipSealer{aead: aead, random: random}
	copy(g.from[:], self[:])
	copy(g.from[len(self):], boot[:])
	return g
}

// Seal appends a frame with packet in it to dst. It returns nil if no nonce could be drawn.
func (g *GossipSealer) Seal(dst, packet []byte) []byte {
	n := len(dst)
	dst = Header{Type: GossipType, Index: gossipKey}.Append(dst)
	var nonce [gossipNonceLen]byte
	if _, err := io.ReadFull(g.random, nonce[:]); err != nil {
		return nil
	}
	dst = append(dst, nonce[:]...)
	plain := make([]byte, 0, gossipFrom+len(packet))
	plain = append(append(plain, g.from[:]...), packet...)
	return g.aead.Seal(dst, nonce[:], plain, dst[n:n+gossipHead])
}

// Open takes a gossip frame apart, in place: packet is borrowed from frame. The error is that of ParseHeader, ErrType,
// ErrShort or ErrAuth, also for a frame under a key that this node does not have.
func (g *GossipSealer) Open(frame []byte) (from trust.Fingerprint, boot trust.BootNonce, packet []byte, err error) {
	h, err := ParseHeader(frame)
	switch {
	case err != nil:
		return from, boot, nil, err
	case h.Type != GossipType:
		return from, boot, nil, ErrType
	case len(frame) < gossipHead+gossipFrom+TagLen:
		return from, boot, nil, ErrShort
	case h.Index != gossipKey:
		return from, boot, nil, ErrAuth
	}
	head, body := frame[:gossipHead], frame[gossipHead:]
	plain, err := g.aead.Open(body[:0], head[HeaderLen:], body, head)
	if err != nil {
		return from, boot, nil, ErrAuth
	}
	copy(from[:], plain)
	copy(boot[:], plain[len(from):])
	return from, boot, plain[gossipFrom:], nil
}
