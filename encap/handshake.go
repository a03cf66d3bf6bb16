package encap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/flynn/noise"

	"github.com/weftnet/weft/trust"
)

// ErrAmplify says that an initiation is shorter than its answer would be, and therefore gets none: a forged source address
// must not turn a node into an amplifier.
var ErrAmplify = errors.New("encap: initiation is shorter than its response")

// Initiate is StartInitiate with the curve work at once.
func (s *Session) Initiate(now time.Time) (frame []byte, err error) {
	j, err := s.StartInitiate(now)
	if err != nil {
		return nil, err
	}
	return j.do(now)
}

// StartInitiate begins an initiation, which the job finishes with. It supersedes one whose job has not finished; of those that were
// made, the response to any of the last 4 is taken, and the first one that is ends all.
func (s *Session) StartInitiate(now time.Time) (*Job, error) {
	payload, err := encode(s.initiationPayload())
	if err != nil {
		return nil, err
	}
	index, err := s.cfg.Local.indexes.draw(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	cookie := s.cookie.current(now)
	a := &attempt{index: index, keys: s.cfg.Local.Ring.First(), proved: cookie != nil}
	s.making = a
	var frame []byte
	return &Job{
		compute: func() { frame, err = s.initiate(a, payload, cookie) },
		finish:  func(now time.Time) ([]byte, error) { return s.initiated(a, frame, err, now) },
	}, nil
}

// initiated makes a finished initiation wait for its response.
func (s *Session) initiated(a *attempt, frame []byte, err error, now time.Time) ([]byte, error) {
	if s.making != a {
		err = ErrSuperseded
	} else {
		s.making = nil
	}
	if err != nil {
		s.cfg.Local.indexes.release(a.index)
		return nil, err
	}
	s.wait(a, now)
	return frame, nil
}

func (s *Session) initiationPayload() initiationPayload {
	l := s.cfg.Local
	sign := l.Identity.Public().Sign
	return initiationPayload{
		Stamp: s.cfg.Stamp(), Settings: l.Settings, Name: l.name(), Sign: sign[:], Generation: s.generation,
		Padding: make([]byte, initiationPadding),
	}
}

// initiationPadding makes initiations longer than the responses to them: those lack the curve key, the signing key, the stamp
// and the name, and have settings of another node, which may take this much more.
const initiationPadding = 64

// initiate makes an initiation. It reads nothing of the session that changes.
func (s *Session) initiate(a *attempt, payload []byte, cookie *[32]byte) (frame []byte, err error) {
	var flags uint8
	if cookie != nil {
		flags = FlagCookie
	}
	head := handshakeFrame(Initiation, flags, 0, a.index)
	state, msg, err := s.startNoise(a.keys, s.cfg.Rand, head, payload)
	if err != nil {
		return nil, handshakeError("make initiation", err)
	}
	ephemeral := state.LocalEphemeral().Private
	a.state, a.again = state, func() (*noise.HandshakeState, error) {
		state, _, err := s.startNoise(a.keys, bytes.NewReader(ephemeral), head, payload)
		return state, err
	}
	frame = append(head, msg...)
	if len(frame)+2*macLen > maxHandshake {
		return nil, fmt.Errorf("encap: make initiation: %d bytes do not fit one packet", len(frame)+2*macLen)
	}
	frame = s.mark(a.keys, frame)
	a.mac = [macLen]byte(frame[len(frame)-macLen:])
	if cookie != nil {
		frame = appendMAC(cookie, frame)
	}
	return frame, nil
}

func (s *Session) startNoise(keys *trust.Keys, random io.Reader, head, payload []byte) (*noise.HandshakeState, []byte, error) {
	cfg := s.cfg.Local.sessionConfig(keys, s.peer, head)
	cfg.Random, cfg.Initiator, cfg.PeerStatic = random, true, bytes.Clone(s.cfg.Peer.DH[:])
	state, err := noise.NewHandshakeState(cfg)
	if err != nil {
		return nil, nil, err
	}
	msg, _, _, err := state.WriteMessage(nil, payload)
	return state, msg, err
}

// Accept is StartAccept with the curve work at once.
func (s *Session) Accept(m *InitiationMessage, now time.Time) (response []byte, err error) {
	j, err := s.StartAccept(m, now)
	if err != nil {
		return nil, err
	}
	return j.do(now)
}

// StartAccept begins the answer to an initiation. The job binds the new keypair, which is used for sending after Confirmed.
// It may finish with a *MismatchError; then there is a response all the same, so that the initiator learns of it too, but no
// keypair. The error is ErrPeer or ErrReplayedStamp, and of the job ErrAmplify or ErrSuperseded; then there is no response.
func (s *Session) StartAccept(m *InitiationMessage, now time.Time) (*Job, error) {
	switch {
	case m.Static != s.cfg.Peer:
		return nil, ErrPeer
	case s.stamped && !s.stamp.Less(m.Stamp), m.state == nil:
		return nil, ErrReplayedStamp
	}
	s.stamp, s.stamped = m.Stamp, true
	agreement, mismatch := s.cfg.Local.Settings.Agree(m.Settings)
	if mismatch != nil {
		return s.refuse(m, mismatch), nil
	}
	index, err := s.cfg.Local.indexes.draw(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	s.generation = nextGeneration(s.generation, m.generation)
	k := &Keypair{
		LocalIndex: index, RemoteIndex: m.SenderIndex, Born: now, Secret: m.keys.ClusterID,
		rank: rank{generation: s.generation, initiator: s.peer}, agreement: agreement, remote: m.Settings,
	}
	life := s.life
	var frame []byte
	return &Job{
		compute: func() { frame, err = s.answer(m, k) },
		finish:  func(now time.Time) ([]byte, error) { return s.answered(k, life, frame, err, now) },
	}, nil
}

// refuse tells an initiator what differs.
func (s *Session) refuse(m *InitiationMessage, mismatch error) *Job {
	var frame []byte
	var err error
	return &Job{
		compute: func() { frame, _, _, err = s.respond(m, 0, 0) },
		finish: func(time.Time) ([]byte, error) {
			if err != nil {
				return nil, err
			}
			return frame, mismatch
		},
	}
}

// answer makes the response to an initiation, and the keys of k.
func (s *Session) answer(m *InitiationMessage, k *Keypair) (frame []byte, err error) {
	frame, toUs, toPeer, err := s.respond(m, k.LocalIndex, k.rank.generation)
	if err != nil {
		return nil, err
	}
	return frame, k.expand(roots{send: toPeer.UnsafeKey(), receive: toUs.UnsafeKey()})
}

// answered binds a keypair whose response is made.
func (s *Session) answered(k *Keypair, life int, frame []byte, err error, now time.Time) ([]byte, error) {
	if s.life != life {
		err = ErrSuperseded
	}
	if err != nil {
		s.cfg.Local.indexes.release(k.LocalIndex)
		return nil, err
	}
	s.adopt(k)
	s.await(k, now)
	return frame, nil
}

// await makes k the keypair that waits for its first frame, if it ranks above the one that does: answers that are made at once may
// be finished in any order.
func (s *Session) await(k *Keypair, now time.Time) {
	if s.next != nil && k.rank.less(s.next.rank) {
		s.retire(k, now, true)
		return
	}
	if s.next != nil {
		s.retire(s.next, now, true)
	}
	s.next = k
}

// respond makes the response and uses m up. With index 0 it is a refusal.
func (s *Session) respond(m *InitiationMessage, index uint32, generation uint64) (frame []byte, toUs, toPeer *noise.CipherState, err error) {
	payload, err := encode(responsePayload{Settings: s.cfg.Local.Settings, Generation: generation})
	if err != nil {
		return nil, nil, nil, err
	}
	frame, toUs, toPeer, err = m.state.WriteMessage(handshakeFrame(Response, 0, m.SenderIndex, index), payload)
	m.state = nil
	if err != nil {
		return nil, nil, nil, handshakeError("make response", err)
	}
	if frame = s.mark(m.keys, frame); len(frame) > m.size {
		return nil, nil, nil, ErrAmplify
	}
	return frame, toUs, toPeer, nil
}

// mark appends the MAC of a frame to the peer.
func (s *Session) mark(keys *trust.Keys, frame []byte) []byte {
	key := macKey(keys, s.peer)
	return appendMAC(&key, frame)
}

// adopt binds the index of k, whose keys are made.
func (s *Session) adopt(k *Keypair) {
	k.rekeyCount = s.cfg.RekeyCount
	s.generation = max(s.generation, k.rank.generation)
	s.agreement, s.remote = k.agreement, k.remote
	s.cfg.Indexes.Bind(k.LocalIndex, k)
}

// Complete is StartComplete with the curve work at once.
func (s *Session) Complete(frame []byte, now time.Time) error {
	j, err := s.StartComplete(frame)
	if err == nil {
		_, err = j.do(now)
	}
	return err
}

// StartComplete takes the response to our initiation. With the end of the job, which has no frame, the new keypair is current,
// unless a simultaneous handshake of the peer's ranks higher. frame is kept until then. The error is that of ParseHeader, ErrType,
// ErrShort, ErrMAC or ErrUnexpected, and of the job ErrAuth (the initiation still waits), ErrUnexpected, ErrPayload, ErrRefused or a
// *MismatchError (the handshake is over).
func (s *Session) StartComplete(frame []byte) (*Job, error) {
	b, err := s.cfg.Local.openHandshake(frame, Response)
	if err != nil {
		return nil, err
	}
	a := s.pending.find(b.header.Index)
	if a == nil || a.keys.ClusterID != b.keys.ClusterID || a.tries >= maxTries {
		return nil, ErrUnexpected
	}
	a.tries++
	c := completion{sender: b.sender}
	state := a.takeState()
	return &Job{
		compute: func() { c.read(a, state, b.msg, s) },
		finish:  func(now time.Time) ([]byte, error) { return nil, s.completed(a, &c, now) },
	}, nil
}

// completion is a response as it was read.
type completion struct {
	sender uint32
	keys   *Keypair
	forged error // it does not verify
	err    error // it does, and is the end of the handshake
}

// read does the curve work of a response. It reads nothing of the session that changes.
func (c *completion) read(a *attempt, state *noise.HandshakeState, msg []byte, s *Session) {
	if state == nil {
		if state, c.err = a.again(); c.err != nil {
			c.err = handshakeError("restore initiation", c.err)
			return
		}
	}
	raw, toPeer, toUs, err := state.ReadMessage(nil, msg)
	if err != nil {
		c.forged = fmt.Errorf("%w: %w", ErrAuth, err)
		return
	}
	if c.keys, c.err = s.readResponse(raw, c.sender); c.err == nil {
		c.err = c.keys.expand(roots{send: toPeer.UnsafeKey(), receive: toUs.UnsafeKey()})
	}
}

// completed makes the keypair of a response current.
func (s *Session) completed(a *attempt, c *completion, now time.Time) error {
	switch {
	case c.forged != nil:
		return c.forged
	case s.pending.find(a.index) != a: // another response was faster, or later initiations were too many
		return ErrUnexpected
	}
	if c.err != nil {
		s.forget()
		return c.err
	}
	s.pending = slices.DeleteFunc(s.pending, func(b *attempt) bool { return a == b }) // the index becomes the keypair's
	s.forget()
	k := c.keys
	k.LocalIndex, k.RemoteIndex, k.Born, k.initiator = a.index, c.sender, now, true
	k.Secret = a.keys.ClusterID
	s.adopt(k)
	s.install(k, now)
	return nil
}

// readResponse reads the payload of a response and compares settings.
func (s *Session) readResponse(raw []byte, sender uint32) (*Keypair, error) {
	var p responsePayload
	if err := decode(raw, &p); err != nil {
		return nil, err
	}
	if err := p.Settings.check(); err != nil {
		return nil, err
	}
	agreement, err := s.cfg.Local.Settings.Agree(p.Settings)
	if err != nil {
		return nil, err
	}
	if sender == 0 {
		return nil, ErrRefused
	}
	return &Keypair{
		agreement: agreement, remote: p.Settings, rank: rank{generation: p.Generation, initiator: s.self},
	}, nil
}
