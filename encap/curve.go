package encap

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/subtle"
	"io"

	"github.com/flynn/noise"

	"github.com/weftnet/weft/trust"
)

// curve does the operations on Curve25519 (RFC 7748) of one handshake, with the results of noise.DH25519 byte for byte. That one is given
// private keys as bytes, and crypto/ecdh computes the public key of those each time: a second multiplication for each. A curve keeps
// its two keys as crypto/ecdh has them: the node's own, which all handshakes share, and the ephemeral one, until forget.
//
// It is used by one goroutine at a time, as the handshake is. The results of a handshake refer to it, so forget is to be called where
// they are kept and it is over.
type curve struct {
	static    curveKey
	ephemeral curveKey // the latest that was made
}

// curveKey is a private key, as bytes and as crypto/ecdh has it.
type curveKey struct {
	raw []byte
	key *ecdh.PrivateKey
}

var _ noise.DHFunc = (*curve)(nil)

func newCurve(own *trust.Identity) *curve {
	raw := own.DHPrivate()
	return &curve{static: curveKey{raw[:], own.DHKey()}}
}

// suite is the cipher suite of the handshake.
func (c *curve) suite() noise.CipherSuite {
	return noise.NewCipherSuite(c, noise.CipherChaChaPoly, noise.HashBLAKE2s)
}

// forget drops the ephemeral key.
func (c *curve) forget() { c.ephemeral = curveKey{} }

// GenerateKeypair implements noise.DHFunc. nil: crypto/rand.
func (c *curve) GenerateKeypair(random io.Reader) (noise.DHKey, error) {
	if random == nil {
		random = rand.Reader
	}
	raw := make([]byte, c.DHLen())
	if _, err := io.ReadFull(random, raw); err != nil {
		return noise.DHKey{}, err
	}
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return noise.DHKey{}, err
	}
	c.ephemeral = curveKey{raw, key}
	return noise.DHKey{Private: raw, Public: key.PublicKey().Bytes()}, nil
}

// DH implements noise.DHFunc. The error says that the result is zero, as it is for public keys of low order (RFC 7748, section 6.1), or
// that a key is not of 32 bytes.
func (c *curve) DH(private, public []byte) ([]byte, error) {
	own, err := c.find(private)
	if err != nil {
		return nil, err
	}
	other, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return own.ECDH(other)
}

// find returns the private key of those bytes.
func (c *curve) find(raw []byte) (*ecdh.PrivateKey, error) {
	for _, k := range []curveKey{c.ephemeral, c.static} {
		if k.key != nil && subtle.ConstantTimeCompare(k.raw, raw) == 1 {
			return k.key, nil
		}
	}
	return ecdh.X25519().NewPrivateKey(raw)
}

// DHLen implements noise.DHFunc.
func (c *curve) DHLen() int { return 32 }

// DHName implements noise.DHFunc.
func (c *curve) DHName() string { return noise.DH25519.DHName() }
