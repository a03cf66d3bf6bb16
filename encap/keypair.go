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

// counterLimit is where a counter stops for good. It is far from repeating (2^64). With packets of 1500 bytes one AES-GCM key
// encrypts less than 2^47 blocks of 16 bytes up to there, and an attacker's advantage is below 2^-34 (squared blocks over twice
// the block space, 2^94 / 2^129); with packets of 64 KiB, 2^52 blocks and 2^-25. Keys are replaced after 2^32 frames, long before.
const counterLimit = 1 << 40

// Keypair is one generation of a session's keys. The exported fields never change.
//
// A lane's keys are made from the roots when its first frame goes or comes: most sessions of a cluster are idle, and 64 lanes
// take 180 KiB. For a frame that does not verify that happens once in a lane, too.
//
// SealData, SealRelay and SealControl may be called from any goroutine. OpenData and OpenRelay are called from one goroutine for each
// sender's lane at a time, OpenControl from one goroutine.
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
	roots      roots
	data       []lane
	relay      []lane // of the fronts of relay frames, also without a seal
	control    lane
	rekeyCount uint64
}

// lane is one stream of counters in each direction: a sender's lane, of data or of relay frames, or control.
type lane struct {
	number uint8                  // of a sender's lane
	relays bool                   // it is of relay frames
	sealer atomic.Pointer[sealer] // nil: nothing was sent yet
	opener *opener                // nil: no frame came yet
}

// sealer is the sending half of a lane.
type sealer struct {
	aead cipher.AEAD
	sent atomic.Uint64 // the next counter
	_    [40]byte      // keeps the counters of two lanes off one cache line
}

// count takes the next counter. The error is ErrExhausted.
func (s *sealer) count() (uint64, error) {
	counter := s.sent.Add(1) - 1
	if counter >= counterLimit {
		s.sent.Store(counterLimit) // or it would wrap, after 2^64 tries
		return 0, ErrExhausted
	}
	return counter, nil
}

// opener is the receiving half of a lane.
type opener struct {
	aead cipher.AEAD
	seen window
}

// roots are the two secrets of a handshake that all keys of a keypair are made from.
type roots struct{ send, receive [32]byte }

// expand prepares all lanes, as agreed; without a seal there are none for data. It fails where no lane's keys can be made.
func (k *Keypair) expand(r roots) error {
	k.roots = r
	k.Sealed, k.Lanes = k.agreement.Sealed, int(k.agreement.Lanes)
	k.relay = makeLanes(k.Lanes, true)
	if k.Sealed {
		k.data = makeLanes(k.Lanes, false)
	}
	_, err := laneCipher(r.send[:], k.agreement.Cipher, k.label(&k.control))
	return err
}

// makeLanes are the lanes of a sender, without keys.
func makeLanes(count int, relays bool) []lane {
	list := make([]lane, count)
	for i := range list {
		list[i].number, list[i].relays = uint8(i), relays
	}
	return list
}

// label is that of a lane's keys.
func (k *Keypair) label(l *lane) string {
	switch {
	case l == &k.control:
		return "weft 1 control"
	case l.relays:
		return fmt.Sprintf("weft 1 relay lane %d", l.number)
	}
	return fmt.Sprintf("weft 1 data lane %d", l.number)
}

// sealing is the sending half of a lane.
func (k *Keypair) sealing(l *lane) *sealer {
	if s := l.sealer.Load(); s != nil {
		return s
	}
	l.sealer.CompareAndSwap(nil, &sealer{aead: k.mustCipher(&k.roots.send, k.label(l))})
	return l.sealer.Load() // the one that was first: a counter must not begin twice
}

// opening is the receiving half of a lane.
func (k *Keypair) opening(l *lane) *opener {
	if l.opener == nil {
		l.opener = &opener{aead: k.mustCipher(&k.roots.receive, k.label(l))}
	}
	return l.opener
}

// mustCipher makes the AEAD of a lane. expand has shown that it can be made.
func (k *Keypair) mustCipher(root *[32]byte, label string) cipher.AEAD {
	aead, err := laneCipher(root[:], k.agreement.Cipher, label)
	if err != nil {
		panic(err)
	}
	return aead
}

// laneCipher makes the AEAD of a lane in one direction: its key is HKDF-Expand of SHA-256 with the label and the cipher's number.
func laneCipher(root []byte, c Cipher, label string) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, root, fmt.Sprintf("%s cipher %d", label, c), 32)
	if err != nil {
		return nil, fmt.Errorf("encap: derive key: %w", err)
	}
	return c.aead(key)
}

// worn reports whether a counter has reached the count at which the keys are to be replaced.
func (k *Keypair) worn() bool {
	for _, lanes := range [][]lane{k.data, k.relay} {
		for i := range lanes {
			if lanes[i].sent() >= k.rekeyCount {
				return true
			}
		}
	}
	return k.control.sent() >= k.rekeyCount
}

// sent is how many counters of a lane have been used.
func (l *lane) sent() uint64 {
	if s := l.sealer.Load(); s != nil {
		return s.sent.Load()
	}
	return 0
}

// Parts reports whether the peer puts frames together of their parts, and answers probes of sizes.
func (k *Keypair) Parts() bool { return k.agreement.Capabilities&CapParts != 0 }

// Traces reports whether both ends answer traces.
func (k *Keypair) Traces() bool { return k.agreement.Capabilities&CapTrace != 0 }

// Relays reports whether the peer knows relay frames.
func (k *Keypair) Relays() bool { return k.agreement.Capabilities&CapRelay != 0 }

// Agreement is what the handshake settled.
func (k *Keypair) Agreement() Agreement { return k.agreement }
