package encap

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/weftnet/weft/trust"
)

// CapPairGossip is the capability of nodes that prove who made a gossip frame to who has their claim, and read such proofs.
const CapPairGossip uint64 = 1 << 7

// FlagProven in the header of a gossip frame says that a proof stands at the end of what is sealed.
const FlagProven uint8 = 1 << 7

// gossipProofLen is the length of a proof: HMAC-SHA256 cut to 128 bits (RFC 2104, section 5).
const gossipProofLen = 16

// GossipPair holds the keys, one for each direction, by which two nodes prove to each other who made a gossip frame. They come from the
// static keys of both, which nobody else can combine (X25519, RFC 7748): not who has the cluster's secret. It is immutable.
type GossipPair struct{ out, in [32]byte }

// NewGossipPair makes the keys of a node and a peer. It costs one multiplication on the curve; keep what it returns. It fails for a
// public key that has no secret in common with any.
func NewGossipPair(own *trust.Identity, peer trust.PublicKeys) (*GossipPair, error) {
	public, err := ecdh.X25519().NewPublicKey(peer.DH[:])
	if err != nil {
		return nil, fmt.Errorf("encap: gossip pair: %w", err)
	}
	shared, err := own.DHKey().ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("encap: gossip pair: %w", err)
	}
	self, other := own.Fingerprint(), peer.Fingerprint()
	return &GossipPair{out: pairKey(shared, self, other), in: pairKey(shared, other, self)}, nil
}

// pairKey is the key of what from sends to.
func pairKey(shared []byte, from, to trust.Fingerprint) [32]byte {
	key, err := hkdf.Key(sha256.New, shared, slices.Concat(from[:], to[:]), "weft 1 gossip pair", 32)
	if err != nil { // only for lengths over 255 hashes
		panic("encap: hkdf: " + err.Error())
	}
	return [32]byte(key)
}

// gossipProof is the proof of a frame: of its header, its nonce, and what is sealed in it.
func gossipProof(key *[32]byte, head, plain []byte) []byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(head)
	mac.Write(plain)
	return mac.Sum(nil)[:gossipProofLen]
}

// MadeBy reports whether the proof of a frame is one that only the peer of the pair can have made, for this node.
func (h *Hearsay) MadeBy(p *GossipPair) bool {
	return h.Proven() && hmac.Equal(h.proof, gossipProof(&p.in, h.head, h.plain))
}

// Proven reports whether the frame has a proof; whether it is a right one says MadeBy.
func (h *Hearsay) Proven() bool { return h.proof != nil }
