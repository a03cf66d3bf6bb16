package encap

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/trust"
)

// Errors of frames under a keypair.
var (
	ErrAuth      = errors.New("encap: frame does not verify")
	ErrReplay    = errors.New("encap: frame replayed or too old")
	ErrLane      = errors.New("encap: frame of a lane that the session does not have")
	ErrClear     = errors.New("encap: clear frame in a sealed session")
	ErrExhausted = errors.New("encap: counter exhausted, rekey needed")
	ErrBuffer    = errors.New("encap: buffer too small for the frame")
)

// counterLimit is where a counter stops for good. It is far from repeating (2^64), and keeps what one AES-GCM key
// encrypts under 2^47 blocks of 16 bytes, where an attacker's advantage is still below 2^-32 (2^94 / 2^128, squared
// blocks over block space).
const counterLimit = 1 << 40

// Keypair is one generation of a session's keys. The exported fields never change.
//
// SealData and SealControl may be called from any goroutine. OpenData is called from one goroutine for each sender's
// lane at a time, OpenControl from one goroutine.
type Keypair struct {
	LocalIndex  uint32 // the peer puts it into its frames
	RemoteIndex uint32 // we put it into ours
	Born        time.Time
	Sealed      bool // data frames are encrypted; control frames always are
	Lanes       int
	Secret      trust.SecretID // of the cluster, that the handshake was under

	rank       rank
	initiator  bool // we made the initiation
	agreement  Agreement
	remote     Settings
	data       []lane
	control    lane
	rekeyCount uint64
}

// lane is one stream of counters in both directions: a sender's lane, or control.
type lane struct {
	seal cipher.AEAD
	sent atomic.Uint64 // the next counter
	_    [64]byte      // keeps the sender's cache line from the receiver's
	open cipher.AEAD
	seen window
}

// roots are the two secrets of a handshake that all keys of a keypair are made from.
type roots struct{ send, receive [32]byte }

// expand makes the keys of all lanes, as agreed. Without a seal there are none for data.
func (k *Keypair) expand(r roots) error {
	c := k.agreement.Cipher
	k.Sealed, k.Lanes = k.agreement.Sealed, int(k.agreement.Lanes)
	if k.Sealed {
		k.data = make([]lane, k.Lanes)
		for i := range k.data {
			if err := k.data[i].expand(r, c, fmt.Sprintf("weft 1 data lane %d", i)); err != nil {
				return err
			}
		}
	}
	return k.control.expand(r, c, "weft 1 control")
}

// expand makes a lane's keys: HKDF-Expand of SHA-256 with the label and the cipher's number.
func (l *lane) expand(r roots, c Cipher, label string) error {
	var err error
	if l.seal, err = laneCipher(r.send[:], c, label); err != nil {
		return err
	}
	l.open, err = laneCipher(r.receive[:], c, label)
	return err
}

func laneCipher(root []byte, c Cipher, label string) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, root, fmt.Sprintf("%s cipher %d", label, c), 32)
	if err != nil {
		return nil, fmt.Errorf("encap: derive key: %w", err)
	}
	return c.aead(key)
}

// worn reports whether a counter has reached the count at which the keys are to be replaced.
func (k *Keypair) worn() bool {
	for i := range k.data {
		if k.data[i].sent.Load() >= k.rekeyCount {
			return true
		}
	}
	return k.control.sent.Load() >= k.rekeyCount
}

// Agreement is what the handshake settled.
func (k *Keypair) Agreement() Agreement { return k.agreement }
