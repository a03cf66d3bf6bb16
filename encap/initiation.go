package encap

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/flynn/noise"

	"github.com/weftnet/weft/trust"
)

// InitiationMessage is the first message of a handshake, read and authenticated. Session.Accept answers it, once.
type InitiationMessage struct {
	Static      trust.PublicKeys // the initiator's; that the two belong together is for its fingerprint to prove
	Stamp       Stamp
	Settings    Settings
	Name        string
	SenderIndex uint32

	generation uint64
	state      *noise.HandshakeState
	keys       *trust.Keys // of the cluster, that the handshake is under
	size       int         // of the frame
}

// initiationPayload travels encrypted in the first message.
type initiationPayload struct {
	Stamp      Stamp    `cbor:"1,keyasint"`
	Settings   Settings `cbor:"2,keyasint"`
	Name       string   `cbor:"3,keyasint"`
	Sign       []byte   `cbor:"4,keyasint"` // the initiator's Ed25519 public key
	Generation uint64   `cbor:"5,keyasint"` // the highest that the initiator knows of this session
	Padding    []byte   `cbor:"6,keyasint,omitempty"`
}

func (p *initiationPayload) check() error {
	switch {
	case len(p.Sign) != 32:
		return fmt.Errorf("%w: signing key of %d bytes", ErrPayload, len(p.Sign))
	case len(p.Name) > MaxName:
		return fmt.Errorf("%w: name of %d bytes", ErrPayload, len(p.Name))
	}
	return p.Settings.check()
}

// responsePayload travels encrypted in the second message.
type responsePayload struct {
	Settings   Settings `cbor:"1,keyasint"`
	Generation uint64   `cbor:"2,keyasint"` // of the new keys
}

// ReadInitiation reads an initiation to this node. It may be called from any goroutine. The MAC is checked before any
// other work: a frame of a stranger costs one hash. An initiation to any other fingerprint is refused, also when its X25519
// key is this node's. The error is ErrShort, ErrVersion, ErrType, ErrReserved, ErrMAC,
// ErrAuth or ErrPayload.
func (l *Local) ReadInitiation(frame []byte) (*InitiationMessage, error) {
	b, err := l.openHandshake(frame, Initiation)
	if err != nil {
		return nil, err
	}
	state, err := noise.NewHandshakeState(l.sessionConfig(b.keys, l.Identity.Fingerprint(), frame[:handshakeHead]))
	if err != nil {
		return nil, handshakeError("read initiation", err)
	}
	raw, _, _, err := state.ReadMessage(nil, b.msg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	var p initiationPayload
	if err := decode(raw, &p); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if b.sender == 0 { // it stands for a refusal
		return nil, fmt.Errorf("%w: index 0", ErrPayload)
	}
	return &InitiationMessage{
		Static: trust.PublicKeys{DH: [32]byte(state.PeerStatic()), Sign: [32]byte(p.Sign)},
		Stamp:  p.Stamp, Settings: p.Settings, Name: printable(p.Name), SenderIndex: b.sender,
		generation: p.Generation, state: state, keys: b.keys, size: len(frame),
	}, nil
}

// attempt is an initiation of ours that waits for its response.
type attempt struct {
	index  uint32
	keys   *trust.Keys // of the cluster, that the handshake is under
	state  *noise.HandshakeState
	again  func() (*noise.HandshakeState, error) // makes state anew
	mac    [macLen]byte                          // of the initiation
	proved bool                                  // it carries the MAC of a cookie
	tries  int                                   // responses to it that were taken up
	end    time.Time                             // when it waits no longer
}

// maxTries is how many responses to one initiation are worth curve work. All but one are forged, by a member that saw the initiation;
// the next initiation begins anew.
const maxTries = 8

// takeState returns the state of the handshake for one response. There is none for further ones, which come after a forged
// one: they make it anew, for the forged one may have changed it.
func (a *attempt) takeState() *noise.HandshakeState {
	state := a.state
	a.state = nil
	return state
}

// handshakeFrame begins a frame of type t, which a Noise message follows, and the MAC.
func handshakeFrame(t Type, flags uint8, receiver, sender uint32) []byte {
	frame := Header{Type: t, Flags: flags, Index: receiver}.Append(make([]byte, 0, 512))
	return binary.BigEndian.AppendUint32(frame, sender)
}
