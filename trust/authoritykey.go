package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/weftnet/weft/atomicfile"
)

// AuthorityKey is the public half of an authority's key: Ed25519. Its file is a PEM block "PUBLIC KEY" (RFC 8410), as openssl
// reads and writes it, too.
type AuthorityKey [ed25519.PublicKeySize]byte

// AuthorityID names an authority in what it signs: the first bytes of SHA-256 of its public key.
type AuthorityID [8]byte

// MaxAuthorities is how many authorities a node may take at a time: two, while a cluster goes from one to the next.
const MaxAuthorities = 2

const blockPublic = "PUBLIC KEY"

// ID is the key's name.
func (k AuthorityKey) ID() AuthorityID {
	sum := sha256.Sum256(k[:])
	return AuthorityID(sum[:len(AuthorityID{})])
}

// String is the name in hexadecimal.
func (i AuthorityID) String() string { return hex.EncodeToString(i[:]) }

// verify reports whether sig is the key's signature over body under a context label.
func (k AuthorityKey) verify(context string, body, sig []byte) bool {
	return ed25519.Verify(k[:], labelled(context, body), sig)
}

// PEM is the text of the key's file.
func (k AuthorityKey) PEM() []byte {
	raw, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(k[:]))
	if err != nil { // only for types that it does not know
		panic("trust: encode public key: " + err.Error())
	}
	return blockText(blockPublic, raw)
}

// AuthorityKeys are the authorities that a node takes: what any of them signed counts. Empty: there is none.
type AuthorityKeys []AuthorityKey

// ErrAuthority says that a text is not an authority's public key.
var ErrAuthority = errors.New("not the public key of an authority")

// ParseAuthorityKeys reads one to MaxAuthorities blocks "PUBLIC KEY". The error wraps ErrAuthority and quotes nothing of the text.
func ParseAuthorityKeys(text []byte) (AuthorityKeys, error) {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	if _, err := blockOf(text, blockPrivate, ""); err == nil {
		return nil, fmt.Errorf("%w: it holds the private key, which stays off the nodes (move it away, and name the public key that 'weft authority new' wrote beside it)", ErrAuthority)
	}
	var keys AuthorityKeys
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		k, err := parseAuthorityKey(block)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 || len(keys) > MaxAuthorities {
		return nil, fmt.Errorf("%w: it holds %d PEM blocks %q, not 1 to %d", ErrAuthority, len(keys), blockPublic, MaxAuthorities)
	}
	return keys, nil
}

func parseAuthorityKey(block *pem.Block) (AuthorityKey, error) {
	if block.Type != blockPublic {
		return AuthorityKey{}, fmt.Errorf("%w: %w", ErrAuthority, notBlock([]string{block.Type}, blockPublic, "'weft authority new'"))
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := public.(ed25519.PublicKey)
	if err != nil || !ok {
		return AuthorityKey{}, fmt.Errorf("%w: it is not a key of Ed25519", ErrAuthority)
	}
	return AuthorityKey(key), nil
}

// ReadAuthorityKeys reads the file of ParseAuthorityKeys. Errors name the file.
func ReadAuthorityKeys(path string) (AuthorityKeys, error) {
	text, _, err := atomicfile.Read(path, maxSignedFile)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	keys, err := ParseAuthorityKeys(text)
	if err != nil {
		return nil, fmt.Errorf("trust: %s: %w", path, err)
	}
	return keys, nil
}

// open finds the authority of that name, and checks its signature. The error is ErrOtherAuthority or ErrForged.
func (k AuthorityKeys) open(id AuthorityID, context string, body, sig []byte) error {
	i := slices.IndexFunc(k, func(key AuthorityKey) bool { return key.ID() == id })
	switch {
	case i < 0:
		return fmt.Errorf("%w %s, ours is %s", ErrOtherAuthority, id, k)
	case !k[i].verify(context, body, sig):
		return ErrForged
	}
	return nil
}

// Errors of what an authority signed.
var (
	ErrOtherAuthority = errors.New("it is of another authority,")
	ErrForged         = errors.New("its signature does not match")
)

// String names the authorities.
func (k AuthorityKeys) String() string {
	text := "none"
	for i, key := range k {
		if i == 0 {
			text = key.ID().String()
			continue
		}
		text += " or " + key.ID().String()
	}
	return text
}

// Equal reports whether both are the same authorities.
func (k AuthorityKeys) Equal(o AuthorityKeys) bool { return slices.Equal(k, o) }
