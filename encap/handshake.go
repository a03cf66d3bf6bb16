package encap

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/flynn/noise"

	"github.com/weftnet/weft/trust"
)

// Initiate makes an initiation. It replaces the one before, whose response is then no longer taken.
func (s *Session) Initiate(now time.Time) (frame []byte, err error) {
	payload, err := encode(s.initiationPayload())
	if err != nil {
		return nil, err
	}
	index, err := s.cfg.Local.indexes.draw(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	frame, a, err := s.initiate(index, payload)
	if err != nil {
		s.cfg.Local.indexes.release(index)
		return nil, err
	}
	s.forget()
	s.pending, s.pendingEnd = a, now.Add(pendingFor)
	return frame, nil
}

func (s *Session) initiationPayload() initiationPayload {
	l := s.cfg.Local
	sign := l.Identity.Public().Sign
	return initiationPayload{
		Stamp: s.cfg.Stamp(), Settings: l.Settings, Name: l.name(), Sign: sign[:], Generation: s.generation,
	}
}

func (s *Session) initiate(index uint32, payload []byte) (frame []byte, a *attempt, err error) {
	keys, head := s.cfg.Local.Ring.First(), handshakeFrame(Initiation, 0, index)
	state, msg, err := s.startNoise(keys, s.cfg.Rand, head, payload)
	if err != nil {
		return nil, nil, handshakeError("make initiation", err)
	}
	ephemeral := state.LocalEphemeral().Private
	a = &attempt{index: index, keys: keys, state: state, again: func() (*noise.HandshakeState, error) {
		state, _, err := s.startNoise(keys, bytes.NewReader(ephemeral), head, payload)
		return state, err
	}}
	frame = slices.Concat(head, msg)
	if len(frame)+macLen > maxHandshake {
		return nil, nil, fmt.Errorf("encap: make initiation: %d bytes do not fit one packet", len(frame)+macLen)
	}
	return s.mark(keys, frame), a, nil
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

// Accept answers an initiation. The new keypair is bound, and used for sending after Confirmed.
// With a *MismatchError there is a response all the same, so that the initiator learns of it too, but no keypair.
// Other errors are ErrPeer and ErrReplayedStamp; then there is no response.
func (s *Session) Accept(m *InitiationMessage, now time.Time) (response []byte, err error) {
	switch {
	case m.Static != s.cfg.Peer:
		return nil, ErrPeer
	case s.stamped && !s.stamp.Less(m.Stamp), m.state == nil:
		return nil, ErrReplayedStamp
	}
	s.stamp, s.stamped = m.Stamp, true
	agreement, mismatch := s.cfg.Local.Settings.Agree(m.Settings)
	if mismatch != nil {
		response, _, _, err = s.respond(m, 0, 0)
		if err != nil {
			return nil, err
		}
		return response, mismatch
	}
	index, err := s.cfg.Local.indexes.draw(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	generation := nextGeneration(s.generation, m.generation)
	response, toUs, toPeer, err := s.respond(m, index, generation)
	if err != nil {
		s.cfg.Local.indexes.release(index)
		return nil, err
	}
	k := &Keypair{
		LocalIndex: index, RemoteIndex: m.SenderIndex, Born: now,
		rank: rank{generation: generation, initiator: s.peer}, agreement: agreement, remote: m.Settings,
	}
	if err := s.adopt(k, roots{send: toPeer.UnsafeKey(), receive: toUs.UnsafeKey()}); err != nil {
		return nil, err
	}
	if s.next != nil {
		s.retire(s.next, now, true)
	}
	s.next = k
	return response, nil
}

// respond makes the response and uses m up. With index 0 it is a refusal.
func (s *Session) respond(m *InitiationMessage, index uint32, generation uint64) (frame []byte, toUs, toPeer *noise.CipherState, err error) {
	payload, err := encode(responsePayload{Settings: s.cfg.Local.Settings, Generation: generation})
	if err != nil {
		return nil, nil, nil, err
	}
	frame, toUs, toPeer, err = m.state.WriteMessage(handshakeFrame(Response, m.SenderIndex, index), payload)
	m.state = nil
	if err != nil {
		return nil, nil, nil, handshakeError("make response", err)
	}
	return s.mark(m.keys, frame), toUs, toPeer, nil
}

// mark appends the MAC of a frame to the peer.
func (s *Session) mark(keys *trust.Keys, frame []byte) []byte {
	key := macKey(keys, s.peer)
	return appendMAC(&key, frame)
}

// adopt makes the keys of k and binds its index.
func (s *Session) adopt(k *Keypair, r roots) error {
	k.Sealed, k.Lanes, k.rekeyCount = k.agreement.Sealed, int(k.agreement.Lanes), s.cfg.RekeyCount
	if err := k.expand(r, k.agreement.Cipher); err != nil {
		s.cfg.Local.indexes.release(k.LocalIndex)
		return err
	}
	s.generation = max(s.generation, k.rank.generation)
	s.agreement, s.remote = k.agreement, k.remote
	s.cfg.Indexes.Bind(k.LocalIndex, k)
	return nil
}

// Complete takes the response to our initiation. The new keypair is current, unless a simultaneous handshake of the
// peer's ranks higher. The error is ErrUnexpected, ErrMAC, ErrAuth (the initiation still waits), ErrPayload, ErrRefused or a
// *MismatchError (the handshake is over).
func (s *Session) Complete(frame []byte, now time.Time) error {
	b, err := s.cfg.Local.openHandshake(frame, Response)
	if err != nil {
		return err
	}
	if !s.Pending(b.header.Index) || s.pending.keys.ClusterID != b.keys.ClusterID {
		return ErrUnexpected
	}
	raw, toPeer, toUs, err := s.pending.state.ReadMessage(nil, b.msg)
	if err != nil {
		return s.retryPending(err)
	}
	index := s.pending.index
	s.pending = nil
	k, err := s.readResponse(raw, b.sender)
	if err != nil {
		s.cfg.Local.indexes.release(index)
		return err
	}
	k.LocalIndex, k.RemoteIndex, k.Born, k.initiator = index, b.sender, now, true
	if err := s.adopt(k, roots{send: toPeer.UnsafeKey(), receive: toUs.UnsafeKey()}); err != nil {
		return err
	}
	s.install(k, now)
	return nil
}

// retryPending makes the handshake state anew after a response that does not verify: a forged one may have changed it.
func (s *Session) retryPending(cause error) error {
	state, err := s.pending.again()
	if err != nil {
		s.forget()
		return handshakeError("restore initiation", err)
	}
	s.pending.state = state
	return fmt.Errorf("%w: %w", ErrAuth, cause)
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
