package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

// keysVector are the keys of a cluster secret.
type keysVector struct {
	Secret     vectors.Hex `json:"secret"`
	SecretText string      `json:"secret_text"`
	ClusterID  vectors.Hex `json:"cluster_id"`
	Gossip     vectors.Hex `json:"gossip"`
	Stream     vectors.Hex `json:"stream"`
	PSK        vectors.Hex `json:"psk"`
	MAC        vectors.Hex `json:"mac"`
	Token      vectors.Hex `json:"token"`
}

func TestVectorsOfDerivedKeys(t *testing.T) {
	s := Secret(vectors.Count(0, SecretLen))
	k := s.Derive()
	v := vectors.Check(t, "keys", keysVector{
		Secret: s[:], SecretText: s.Text(), ClusterID: k.ClusterID[:], Gossip: k.Gossip[:], Stream: k.Stream[:],
		PSK: k.PSK[:], MAC: k.MAC[:], Token: k.Token[:],
	})
	if again := base64.StdEncoding.EncodeToString(v.Secret); again != v.SecretText {
		t.Errorf("the text is %s, and again %s", v.SecretText, again)
	}
	for label, known := range map[string]vectors.Hex{
		"weft 1 cluster id": v.ClusterID, "weft 1 gossip": v.Gossip, "weft 1 stream": v.Stream,
		"weft 1 handshake psk": v.PSK, "weft 1 handshake mac": v.MAC, "weft 1 token": v.Token,
	} {
		vectors.Equal(t, label, known, vectors.HKDF(v.Secret, label, len(known)))
	}
}

// identityVector are a node's key pairs and its fingerprint.
type identityVector struct {
	Seed        vectors.Hex `json:"seed"`
	DHPrivate   vectors.Hex `json:"dh_private"`
	DHPublic    vectors.Hex `json:"dh_public"`
	SignPublic  vectors.Hex `json:"sign_public"`
	Fingerprint vectors.Hex `json:"fingerprint"`
	Message     vectors.Hex `json:"message"`
	Signature   vectors.Hex `json:"signature"`
}

func TestVectorsOfAnIdentity(t *testing.T) {
	seed, message := vectors.Count(0x40, seedLen), []byte("weft 1 claim\x00\xa0")
	id, err := NewIdentity(seed)
	if err != nil {
		t.Fatal(err)
	}
	private, public, fingerprint := id.DHPrivate(), id.Public(), id.Fingerprint()
	v := vectors.Check(t, "identity", identityVector{
		Seed: seed, DHPrivate: private[:], DHPublic: public.DH[:], SignPublic: public.Sign[:], Fingerprint: fingerprint[:],
		Message: message, Signature: id.Sign(message),
	})
	sign := ed25519.NewKeyFromSeed(vectors.HKDF(v.Seed, "weft 1 node sign", 32))
	sum := sha256.Sum256(append(bytes.Clone(v.DHPublic), v.SignPublic...))
	vectors.Equal(t, "X25519 private key", v.DHPrivate, vectors.HKDF(v.Seed, "weft 1 node dh", 32))
	vectors.Equal(t, "X25519 public key", v.DHPublic, vectors.PublicKey(v.DHPrivate))
	vectors.Equal(t, "Ed25519 public key", v.SignPublic, sign.Public().(ed25519.PublicKey))
	vectors.Equal(t, "fingerprint", v.Fingerprint, sum[:])
	vectors.Equal(t, "signature", v.Signature, ed25519.Sign(sign, v.Message))
}

// tokenVector is a join token and what is in it.
type tokenVector struct {
	Secret     vectors.Hex `json:"secret"`
	Join       []string    `json:"join"`
	Network    []string    `json:"network"`
	Encryption bool        `json:"encryption"`
	SubnetSize [2]int      `json:"subnet_size"`
	Text       string      `json:"text"`
}

func TestVectorsOfAToken(t *testing.T) {
	token := aToken()
	text, err := token.Text()
	if err != nil {
		t.Fatal(err)
	}
	var network []string
	for _, p := range token.Network {
		network = append(network, p.String())
	}
	v := vectors.Check(t, "token", tokenVector{
		Secret: token.Secret[:], Join: token.Join, Network: network, Encryption: token.Encryption, SubnetSize: token.SubnetSize, Text: text,
	})
	var join, prefixes []any
	for _, j := range v.Join {
		join = append(join, j)
	}
	for _, p := range v.Network {
		prefixes = append(prefixes, vectors.Prefix(netip.MustParsePrefix(p)))
	}
	body := vectors.CBOR(vectors.Map{
		{Key: 1, Value: []byte(v.Secret)}, {Key: 2, Value: join}, {Key: 3, Value: prefixes}, {Key: 4, Value: v.Encryption},
		{Key: 5, Value: []any{uint64(v.SubnetSize[0]), uint64(v.SubnetSize[1])}},
	})
	mac := vectors.HMAC(vectors.HKDF(v.Secret, "weft 1 token", 32), body)[:16]
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(v.Text, "weft1."))
	if err != nil {
		t.Fatal(err)
	}
	vectors.Equal(t, "token", raw, append(body, mac...))
}

// signedVector is what an authority has signed.
type signedVector struct {
	AuthoritySeed vectors.Hex `json:"authority_seed"`
	AuthorityKey  vectors.Hex `json:"authority_key"`
	AuthorityID   vectors.Hex `json:"authority_id"`
	Fingerprint   vectors.Hex `json:"fingerprint"`
	Certificate   vectors.Hex `json:"certificate"`
	KeyRevoked    vectors.Hex `json:"revocation_of_the_key"`
	SerialRevoked vectors.Hex `json:"revocation_of_the_certificate"`
	Permit        vectors.Hex `json:"permit_for_a_rotation"`
}

func TestVectorsOfAnAuthority(t *testing.T) {
	public := vectorAuthority(t).Public()
	id := public.ID()
	ofKey, ofCertificate := vectorRevocations(t)
	v := vectors.Check(t, "authority", signedVector{
		AuthoritySeed: vectors.Count(0x20, 32), AuthorityKey: public[:], AuthorityID: id[:], Fingerprint: testHolder[:],
		Certificate: vectorCertificate(t).Raw(), KeyRevoked: ofKey.Raw(), SerialRevoked: ofCertificate.Raw(),
		Permit: vectorPermit(t).Raw(),
	})
	key := ed25519.NewKeyFromSeed(v.AuthoritySeed)
	sum := sha256.Sum256(v.AuthorityKey)
	signed := func(context string, m vectors.Map) []byte {
		body := vectors.CBOR(m)
		return append(ed25519.Sign(key, append([]byte(context), body...)), body...)
	}
	noon, day := uint64(1_772_366_400), uint64(24*60*60) // 2026-03-01 12:00 UTC
	vectors.Equal(t, "public key", v.AuthorityKey, key.Public().(ed25519.PublicKey))
	vectors.Equal(t, "id", v.AuthorityID, sum[:8])
	vectors.Equal(t, "certificate", v.Certificate, signed("weft 1 certificate\x00", vectors.Map{
		{Key: 1, Value: []byte(v.Fingerprint)}, {Key: 2, Value: "vm-1"},
		{Key: 3, Value: []any{vectors.Prefix(netip.MustParsePrefix("10.244.0.0/20"))}},
		{Key: 4, Value: []any{vectors.Prefix(netip.MustParsePrefix("192.168.0.0/16"))}},
		{Key: 5, Value: noon - day/2}, {Key: 6, Value: noon + day/2}, {Key: 7, Value: uint64(7)}, {Key: 8, Value: sum[:8]},
	}))
	vectors.Equal(t, "revocation of a key", v.KeyRevoked, signed("weft 1 revocation\x00", vectors.Map{
		{Key: 1, Value: []byte(v.Fingerprint)}, {Key: 3, Value: noon}, {Key: 4, Value: sum[:8]},
	}))
	vectors.Equal(t, "revocation of a certificate", v.SerialRevoked, signed("weft 1 revocation\x00", vectors.Map{
		{Key: 2, Value: uint64(7)}, {Key: 3, Value: noon}, {Key: 4, Value: sum[:8]},
	}))
	old, next := Secret{1}.ID(), Secret{2}.ID()
	vectors.Equal(t, "permit for a rotation", v.Permit, signed("weft 1 rotation\x00", vectors.Map{
		{Key: 1, Value: old[:]}, {Key: 2, Value: next[:]}, {Key: 3, Value: noon - day/2}, {Key: 4, Value: noon + day/2}, {Key: 5, Value: sum[:8]},
	}))
}
