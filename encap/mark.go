package encap

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/weftnet/weft/trust"
)

// ErrMAC says that a handshake frame was not made by a member of the cluster for this node.
var ErrMAC = errors.New("encap: handshake frame does not carry the cluster's mark")

// Mark is what a handshake frame to this node shows without curve work: that a member of the cluster made it, for the MAC of
// one of the cluster's secrets is right. Who holds no secret can repeat a mark that it saw, and make none.
type Mark struct {
	Sender uint32 // index that the frame's sender chose
	MAC    [macLen]byte

	of *marks
}

// Marked reads the mark of an initiation or response to this node, and reports whether there is one: only then the frame is worth a
// copy. A frame that is shorter than any of its type has none, so that no answer is longer than its question. It takes one or two
// hashes, no memory, and may be called from any goroutine.
func (l *Local) Marked(frame []byte) (Mark, bool) {
	h, err := ParseHeader(frame)
	if err != nil {
		return Mark{}, false
	}
	end, ok := markEnd(frame, h.Type)
	if !ok {
		return Mark{}, false
	}
	m := Mark{MAC: [macLen]byte(frame[end:])}
	m.of = l.markedBy(frame[:end], &m.MAC)
	m.Sender = binary.BigEndian.Uint32(frame[HeaderLen:])
	return m, m.of != nil
}

// handshakeBody is a handshake frame to this node whose MAC is right.
type handshakeBody struct {
	header Header
	sender uint32      // index of the frame's sender
	msg    []byte      // of Noise; borrowed from the frame
	keys   *trust.Keys // of the cluster, that the frame is under
}

// openHandshake checks type, length and MAC of a handshake frame to this node.
func (l *Local) openHandshake(frame []byte, want Type) (b handshakeBody, err error) {
	b.header, err = ParseHeader(frame)
	if err != nil {
		return b, err
	}
	if b.header.Type != want {
		return b, ErrType
	}
	end, ok := markEnd(frame, want)
	if !ok {
		return b, ErrShort
	}
	mac := [macLen]byte(frame[end:])
	by := l.markedBy(frame[:end], &mac)
	if by == nil {
		return b, ErrMAC
	}
	b.keys = by.keys
	b.sender, b.msg = binary.BigEndian.Uint32(frame[HeaderLen:]), frame[handshakeHead:end]
	return b, nil
}

// The shortest messages of the handshake, with empty payloads: ephemeral key, sealed static key and tag; ephemeral key and tag.
const (
	shortInitiation = 32 + 32 + TagLen + TagLen
	shortResponse   = 32 + TagLen
)

// markEnd is where the MAC of a handshake frame begins: at its end, or before the MAC of the cookie. ok: the frame is not
// shorter than any of its type.
func markEnd(frame []byte, t Type) (at int, ok bool) {
	at = len(frame) - macLen
	if len(frame) > 1 && frame[1]&FlagCookie != 0 {
		at -= macLen
	}
	switch t {
	case Initiation:
		return at, at >= handshakeHead+shortInitiation
	case Response:
		return at, at >= handshakeHead+shortResponse
	default:
		return at, false
	}
}

// markedBy finds the keys under which mac is the MAC of a frame to this node; nil: none.
func (l *Local) markedBy(frame []byte, mac *[macLen]byte) *marks {
	for _, m := range l.ownMarks().list {
		sum := m.mac.of(frame)
		if subtle.ConstantTimeCompare(sum[:], mac[:]) == 1 {
			return m
		}
	}
	return nil
}

// marks is what this node needs for handshake frames to it under one secret.
type marks struct {
	keys *trust.Keys
	mac  macs
	seal cipher.AEAD // of the cookies that it gives
}

// markRing are the marks of a ring's secrets, in their order.
type markRing struct {
	held *trust.Keys // the first of the ring's; another one after each Set
	list []*marks
}

// ownMarks are those of the ring as it is now.
func (l *Local) ownMarks() *markRing {
	held := l.Ring.All()
	if m := l.marks.Load(); m != nil && m.held == &held[0] {
		return m
	}
	r, self := &markRing{held: &held[0]}, l.Identity.Fingerprint()
	for i := range held {
		m := &marks{keys: &held[i], seal: cookieSeal(&held[i], self)}
		m.mac.key = macKey(&held[i], self)
		r.list = append(r.list, m)
	}
	l.marks.Store(r)
	return r
}

// cookieSeal is the cipher of the cookies that a node gives.
func cookieSeal(k *trust.Keys, of trust.Fingerprint) cipher.AEAD {
	key := cookieKey(k, of)
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil { // only for keys of another length
		panic("encap: cookie: " + err.Error())
	}
	return aead
}
