package trust

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Token is what a new host needs to join a cluster. It holds the secret.
type Token struct {
	Secret     Secret         `cbor:"1,keyasint"`
	Join       []string       `cbor:"2,keyasint"` // host:port of nodes to call
	Network    []netip.Prefix `cbor:"3,keyasint"`
	Encryption bool           `cbor:"4,keyasint"`
	SubnetSize [2]int         `cbor:"5,keyasint"` // prefix length of automatic subnets: IPv4, IPv6
}

// Errors of ParseToken.
var (
	ErrNoToken      = errors.New("this is not a weft token: it begins with weft1. and comes from 'weft init'")
	ErrTokenVersion = errors.New("the token is of another version")
	ErrTokenDamaged = errors.New("the token is damaged: copy it again, all of it")
)

const (
	tokenPrefix  = "weft"
	tokenVersion = "1"
	tokenMACLen  = 16
	maxToken     = 16 << 10 // characters after the dot
)

// Text is "weft1." and, in URL-safe base64 without padding, the CBOR of the token (integer keys) followed by 16 bytes of
// its HMAC-SHA256 under Keys.Token. What ParseToken would refuse, such as more than 64 addresses, is an error here.
func (t Token) Text() (string, error) {
	body, err := cbor.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("trust: encode token: %w", err)
	}
	text := tokenPrefix + tokenVersion + "." + base64.RawURLEncoding.EncodeToString(append(body, tokenMAC(t.Secret, body)...))
	if _, err := ParseToken(text); err != nil {
		return "", errors.New("trust: encode token: it holds too many or malformed addresses or prefixes")
	}
	return text, nil
}

func tokenMAC(s Secret, body []byte) []byte {
	key := s.Derive().Token
	mac := hmac.New(sha256.New, key[:])
	mac.Write(body)
	return mac.Sum(nil)[:tokenMACLen]
}

// ParseToken reads the text of a token; white space around it and a byte order mark before it are ignored. The error wraps ErrNoToken, ErrTokenVersion or
// ErrTokenDamaged and never holds the text.
func ParseToken(text string) (Token, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, byteOrderMark))
	head, body, ok := strings.Cut(text, ".")
	version, isToken := strings.CutPrefix(head, tokenPrefix)
	if !ok || !isToken || len(version) > 4 || strings.Trim(version, "0123456789") != "" || version == "" {
		return Token{}, ErrNoToken
	}
	if version != tokenVersion {
		return Token{}, fmt.Errorf("%w: it has %s, this weft reads %s", ErrTokenVersion, version, tokenVersion)
	}
	if len(body) > maxToken {
		return Token{}, ErrTokenDamaged
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(raw) <= tokenMACLen {
		return Token{}, ErrTokenDamaged
	}
	content, mac := raw[:len(raw)-tokenMACLen], raw[len(raw)-tokenMACLen:]
	var t Token
	if signedDecoder.Unmarshal(content, &t) != nil || !hmac.Equal(mac, tokenMAC(t.Secret, content)) {
		return Token{}, ErrTokenDamaged
	}
	return t, nil
}
