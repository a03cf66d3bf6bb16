package encap

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/weftnet/weft/trust"
)

// Cookies are as in WireGuard (Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", sections 5.3 and 5.4.7): a node
// that gets more initiations than it can work off answers with a cookie, which is a MAC of the sender's address under a key
// that changes every two minutes. Who sends from a forged address never sees it; who does not is known by its address, and can
// be held to a rate. An initiation that carries the cookie's MAC has FlagCookie, and that MAC behind the first one.
//
// The cookie is sealed for the node that made the initiation: under a key of the cluster, and bound to the initiation's MAC.

// CookieFrameLen is the length of every cookie frame.
const CookieFrameLen = HeaderLen + chacha20poly1305.NonceSizeX + cookieLen + TagLen

const (
	cookieLen    = 16
	cookieLife   = 2 * time.Minute // of a responder's key; an initiator uses a cookie a little less long
	cookieMargin = 5 * time.Second
)

// ErrCookie says that a cookie frame is no answer to an initiation of ours.
var ErrCookie = errors.New("encap: cookie does not verify")

// cookieKey seals the cookies of that node.
func cookieKey(k *trust.Keys, of trust.Fingerprint) [32]byte {
	key, err := hkdf.Expand(sha256.New, k.MAC[:], "weft 1 cookie"+string(of[:]), 32)
	if err != nil { // only for lengths over 255 hashes
		panic("encap: hkdf: " + err.Error())
	}
	return [32]byte(key)
}

// Cookies is the responder's side: it makes cookies, and knows them again. It may be used from any goroutine.
type Cookies struct {
	local *Local

	mu      sync.Mutex // guards what follows
	key     [32]byte
	before  [32]byte // the key before
	renewed time.Time
}

// NewCookies makes the cookies of a node.
func NewCookies(l *Local) *Cookies { return &Cookies{local: l} }

// keys are the present key and the one before. A failure of the source of randomness keeps the present one.
func (c *Cookies) keys(now time.Time) (key, before [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.renewed.IsZero() || now.Sub(c.renewed) >= cookieLife {
		var next [32]byte
		if _, err := io.ReadFull(c.local.random(), next[:]); err == nil {
			c.before, c.key = c.key, next
			if c.renewed.IsZero() || now.Sub(c.renewed) >= 2*cookieLife { // nobody has a cookie of the key before
				c.before = next
			}
			c.renewed = now
		}
	}
	return c.key, c.before
}

// cookieOf is the cookie of an address, as the key of a MAC: zeros stand behind its 16 bytes.
func cookieOf(key *[32]byte, from netip.AddrPort) (cookie [32]byte) {
	var b [18]byte
	addr := from.Addr().As16()
	copy(b[:], addr[:])
	binary.BigEndian.PutUint16(b[16:], from.Port())
	sum := macOf(key, b[:])
	copy(cookie[:], sum[:])
	return cookie
}

// Proves reports whether a handshake frame, which Local.Marked has approved, carries a MAC under a cookie that from was given.
func (c *Cookies) Proves(frame []byte, from netip.AddrPort, now time.Time) bool {
	if len(frame) < handshakeHead+2*macLen || frame[1]&FlagCookie == 0 {
		return false
	}
	key, before := c.keys(now)
	return proves(&key, frame, from) || before != key && proves(&before, frame, from)
}

// proves is Proves for one key.
func proves(key *[32]byte, frame []byte, from netip.AddrPort) bool {
	end := len(frame) - macLen
	cookie := cookieOf(key, from)
	sum := macOf(&cookie, frame[:end])
	return subtle.ConstantTimeCompare(sum[:], frame[end:]) == 1
}

// Reply appends the cookie frame that answers the initiation of a mark, which came from that address, to dst. It is shorter than
// any initiation. The error is of the source of randomness; then dst is as it was.
func (c *Cookies) Reply(dst []byte, m Mark, from netip.AddrPort, now time.Time) ([]byte, error) {
	var nonce [chacha20poly1305.NonceSizeX]byte
	if _, err := io.ReadFull(c.local.random(), nonce[:]); err != nil {
		return dst, handshakeError("draw nonce of cookie", err)
	}
	start := len(dst)
	dst = Header{Type: Cookie, Index: m.Sender}.Append(dst)
	dst = append(dst, nonce[:]...)
	key, _ := c.keys(now)
	cookie := cookieOf(&key, from)
	return m.of.seal.Seal(dst, nonce[:], cookie[:cookieLen], cookieData(dst[start:], m.MAC[:])), nil
}

// cookieData is what a cookie frame's tag covers besides the cookie: the head of the frame, and the MAC of the initiation that it
// answers.
func cookieData(frame, mac []byte) []byte { return slices.Concat(frame[:HeaderLen], mac) }

// givenCookie is the initiator's side: the cookie that a peer gave us.
type givenCookie struct {
	key   [32]byte  // the cookie, with zeros behind it
	until time.Time // zero: there is none
}

// current is the cookie to use now, or nil.
func (c givenCookie) current(now time.Time) *[32]byte {
	if !now.Before(c.until) {
		return nil
	}
	return &c.key
}

// TakeCookie takes a peer's answer to an initiation that waits: the next one carries the cookie. again: that is worth doing at
// once, for this one carried none, and none was made since. The error is that of ParseHeader, ErrType, ErrShort, ErrUnexpected or ErrCookie.
func (s *Session) TakeCookie(frame []byte, now time.Time) (again bool, err error) {
	h, err := ParseHeader(frame)
	switch {
	case err != nil:
		return false, err
	case h.Type != Cookie:
		return false, ErrType
	case len(frame) != CookieFrameLen:
		return false, ErrShort
	}
	a := s.pending.find(h.Index)
	if a == nil {
		return false, ErrUnexpected
	}
	body := frame[HeaderLen:]
	plain, err := cookieSeal(a.keys, s.peer).Open(nil, body[:chacha20poly1305.NonceSizeX], body[chacha20poly1305.NonceSizeX:], cookieData(frame, a.mac[:]))
	if err != nil {
		return false, ErrCookie
	}
	s.cookie = givenCookie{until: now.Add(cookieLife - cookieMargin)}
	copy(s.cookie.key[:], plain)
	return !a.proved && s.pending.newest(a), nil
}
