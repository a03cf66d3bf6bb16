package encap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/flynn/noise"

	"github.com/weftnet/weft/trust"
)

// verdict is the acceptor's last word in the handshake, sealed. An empty one is a yes.
type verdict struct {
	Field  string `cbor:"1,keyasint,omitempty"` // the setting that differs
	Ours   string `cbor:"2,keyasint,omitempty"` // the acceptor's
	Theirs string `cbor:"3,keyasint,omitempty"` // the dialer's
}

// refusal is a no as the dialer's error. All of its words are the acceptor's: they are cut, and made such as may be shown.
func (v verdict) refusal(addr netip.AddrPort, name string) *RefusedError {
	return &RefusedError{Addr: addr, Name: name, Reason: clause(v.Field), Ours: clause(v.Theirs), Theirs: clause(v.Ours)}
}

// greet does the dialer's part of the handshake:
//
//	-> preface, psk, e
//	<- answer, e, ee, s, es, hello
//	-> s, se, hello
//	<- verdict, sealed
//
// A splice that is for somebody is said to nobody who would not understand it. addr is invalid where a peer joins the two.
func (s *Streams) greet(conn net.Conn, addr netip.AddrPort, splice Splice) (*Stream, error) {
	keys := s.cfg.Local.Ring.First()
	c := newCurve(s.cfg.Local.Identity)
	defer c.forget()
	state, err := noise.NewHandshakeState(s.noiseConfig(c, keys, true))
	if err != nil {
		return nil, err
	}
	first, _, _, err := state.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(appendRecord(appendPreface(nil, keys.ClusterID), first)); err != nil {
		return nil, err
	}
	if err := readAnswer(conn, addr, keys.ClusterID); err != nil {
		return nil, err
	}
	remote, _, _, err := s.readHello(conn, state)
	if err != nil {
		return nil, err
	}
	if splice != (Splice{}) && remote.Settings.Capabilities&CapSplice == 0 {
		return nil, errOlderPeer
	}
	last, seal, open, err := s.writeHello(nil, state, addr, splice)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(last); err != nil {
		return nil, err
	}
	stream := &Stream{conn: conn, remote: remote, seal: seal, open: open, through: !addr.IsValid()}
	if stream.through {
		stream.remote.Observed = netip.AddrPort{} // the other end did not know yet
	}
	if err := s.takesPart(remote, addr); err != nil { // it has our hello, and finds out by itself what it can do about it
		return nil, err
	}
	return stream, s.hearVerdict(stream, addr)
}

// readAnswer reads the acceptor's clear answer to a preface of the cluster own.
func readAnswer(conn net.Conn, addr netip.AddrPort, own clusterID) error {
	var raw [answerLen]byte
	if _, err := io.ReadFull(conn, raw[:]); err != nil {
		return err
	}
	a, err := parseAnswer(raw[:])
	if err != nil {
		return err
	}
	switch a.status {
	case statusGo:
		return nil
	case statusSecret:
		return &RefusedError{Addr: addr, Reason: RefusedSecret, Ours: clusterText(own), Theirs: clusterText(a.cluster)}
	case statusVersion:
		return &RefusedError{
			Addr: addr, Reason: RefusedVersion, Ours: fmt.Sprint(streamVersion),
			Theirs: Settings{MinVersion: a.min, MaxVersion: a.max}.versionText(),
		}
	default:
		return &RefusedError{Addr: addr, Reason: RefusedBusy}
	}
}

// hearVerdict compares settings, and hears what the acceptor found.
func (s *Streams) hearVerdict(stream *Stream, addr netip.AddrPort) error {
	agreement, mismatch := s.cfg.Local.Settings.Agree(stream.remote.Settings)
	v, err := stream.readVerdict()
	switch {
	case mismatch != nil:
		return refusal(mismatch, addr, stream.remote.Name)
	case err != nil:
		return err
	case v.Field != "":
		return v.refusal(addr, stream.remote.Name)
	}
	stream.agreement = agreement
	return nil
}

// readVerdict reads the first sealed record.
func (s *Stream) readVerdict() (v verdict, err error) {
	if err := s.record(); err != nil {
		return v, err
	}
	err = decode(s.plain, &v)
	s.plain = nil
	return v, err
}

// receive does the acceptor's part of the handshake.
func (s *Streams) receive(ctx context.Context, conn net.Conn, from netip.AddrPort) (*Stream, error) {
	keys, err := s.readPreface(conn, from)
	if err != nil {
		return nil, err
	}
	c := newCurve(s.cfg.Local.Identity)
	defer c.forget()
	state, err := noise.NewHandshakeState(s.noiseConfig(c, keys, false))
	if err != nil {
		return nil, err
	}
	first, err := readRecord(conn)
	if err != nil {
		return nil, err
	}
	if _, _, _, err := state.ReadMessage(nil, first); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	reply, _, _, err := s.writeHello(appendAnswer(nil, statusGo, keys.ClusterID), state, from, Splice{})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(reply); err != nil {
		return nil, err
	}
	remote, open, seal, err := s.readHello(conn, state)
	if err != nil {
		return nil, err
	}
	stream := &Stream{conn: conn, remote: remote, seal: seal, open: open, through: !from.IsValid()}
	return stream, s.giveVerdict(ctx, stream, from)
}

// readPreface reads the dialer's clear beginning, and finds the keys that it is under; it refuses what is of no cluster of the
// ring.
func (s *Streams) readPreface(conn net.Conn, from netip.AddrPort) (*trust.Keys, error) {
	var raw [prefaceLen]byte
	if _, err := io.ReadFull(conn, raw[:len(magic)]); err != nil {
		return nil, err
	}
	if [4]byte(raw[:4]) != magic { // do not wait for more of it
		return nil, errGarbage
	}
	if _, err := io.ReadFull(conn, raw[len(magic):]); err != nil {
		return nil, err
	}
	p, err := parsePreface(raw[:])
	if err != nil {
		return nil, err
	}
	own, keys := s.cfg.Local.Ring.First().ClusterID, s.cfg.Local.Ring.Find(p.cluster)
	refused := &RefusedError{Addr: from}
	verdict := p.judge(keys != nil)
	switch verdict {
	case statusGo:
		return keys, nil
	case statusSecret:
		refused.Reason, refused.Ours, refused.Theirs = RefusedSecret, clusterText(own), clusterText(p.cluster)
	default:
		refused.Reason, refused.Ours, refused.Theirs = RefusedVersion, fmt.Sprint(streamVersion), fmt.Sprint(p.version)
	}
	if _, err := conn.Write(appendAnswer(nil, verdict, own)); err != nil {
		return nil, err
	}
	return nil, refused
}

// giveVerdict compares settings and tells the dialer.
func (s *Streams) giveVerdict(ctx context.Context, stream *Stream, from netip.AddrPort) error {
	agreement, refused := s.judge(stream.remote, from)
	stream.agreement = agreement
	if refused == nil {
		refused = s.prepare(ctx, stream, from)
	}
	var v verdict
	if refused != nil {
		v = verdict{Field: refused.Reason, Ours: refused.Ours, Theirs: refused.Theirs}
	}
	raw, err := encode(v)
	if err != nil {
		return err
	}
	err = stream.writeRecord(raw)
	if refused != nil { // also where the dialer has refused us, and is gone
		return refused
	}
	return err
}

// judge says whether a dialer may take part, and compares settings.
func (s *Streams) judge(remote Hello, from netip.AddrPort) (Agreement, *RefusedError) {
	err := s.takesPart(remote, from)
	var agreement Agreement
	if err == nil {
		if agreement, err = s.cfg.Local.Settings.Agree(remote.Settings); err != nil {
			err = refusal(err, from, remote.Name)
		}
	}
	var refused *RefusedError
	errors.As(err, &refused)
	return agreement, refused
}

// refusal is a setting that differs, as an error of the stream.
func refusal(err error, addr netip.AddrPort, name string) error {
	var m *MismatchError
	if !errors.As(err, &m) {
		return err
	}
	return &RefusedError{Addr: addr, Name: name, Reason: m.Field, Ours: m.Ours, Theirs: m.Theirs}
}

// writeHello appends the handshake record with our hello. The cipher states are those of flynn/noise: the first is the
// dialer's for sending.
func (s *Streams) writeHello(dst []byte, state *noise.HandshakeState, to netip.AddrPort, splice Splice) (out []byte, a, b *noise.CipherState, err error) {
	l := s.cfg.Local
	raw, err := Hello{
		Keys: l.Identity.Public(), Boot: s.cfg.Boot, Name: l.name(), Uptime: max(0, time.Since(s.cfg.Started)),
		Settings: l.Settings, Port: s.cfg.Port, Observed: netip.AddrPortFrom(to.Addr().WithZone(""), to.Port()),
		Certificate: s.certificate(), Splice: splice,
	}.encode()
	if err != nil {
		return nil, nil, nil, err
	}
	msg, a, b, err := state.WriteMessage(nil, raw)
	if err != nil {
		return nil, nil, nil, err
	}
	return appendRecord(dst, msg), a, b, nil
}

// readHello reads the handshake record with the other end's hello, and checks that it speaks of the handshake's key.
func (s *Streams) readHello(conn net.Conn, state *noise.HandshakeState) (h Hello, a, b *noise.CipherState, err error) {
	msg, err := readRecord(conn)
	if err != nil {
		return Hello{}, nil, nil, err
	}
	raw, a, b, err := state.ReadMessage(nil, msg)
	if err != nil {
		return Hello{}, nil, nil, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	if h, err = parseHello(raw); err != nil {
		return Hello{}, nil, nil, err
	}
	if [32]byte(state.PeerStatic()) != h.Keys.DH {
		return Hello{}, nil, nil, fmt.Errorf("%w: hello of another key", ErrAuth)
	}
	return h, a, b, nil
}

// noiseConfig is what all stream handshakes under the keys k of a cluster share: Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s with the preface in the prologue.
func (s *Streams) noiseConfig(c *curve, k *trust.Keys, dialer bool) noise.Config {
	cfg := s.cfg.Local.noiseConfig(c)
	cfg.Pattern, cfg.Initiator = noise.HandshakeXX, dialer
	cfg.Prologue = appendPreface([]byte("weft 1 stream"), k.ClusterID)
	cfg.PresharedKey, cfg.PresharedKeyPlacement = k.Stream[:], 0
	return cfg
}
