package attack

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/trust"
)

// MemberConfig is what a Member is made of.
type MemberConfig struct {
	Place    Place // where its socket is
	Identity *trust.Identity
	Secret   trust.Secret
	Settings encap.Settings // as those of the cluster, or it is refused
	Victim   trust.PublicKeys
	At       netip.AddrPort // of the victim
	Listen   netip.AddrPort // underlay address and port of its own; no port: any
	Own      []netip.Prefix // of the overlay, that packets may come to it for
}

// Member has the keys of a node and a session with one victim, and sends it what it likes. It answers the victim's probes, so that
// the victim has a path to it.
type Member struct {
	cfg  MemberConfig
	boot trust.BootNonce
	conn *net.UDPConn
	done chan struct{}

	news chan struct{} // signals that a frame has changed what follows

	mu      sync.Mutex // guards what follows
	session *encap.Session
	keys    map[uint32]*encap.Keypair
	replies int    // answers to probes
	stolen  uint64 // packets that came for others
}

// memberEpoch is later than that of any start of a daemon: initiations of a Member are news.
const memberEpoch = 1 << 62

// NewMember opens the member's socket. The caller closes it.
func NewMember(cfg MemberConfig) (*Member, error) {
	m := &Member{
		cfg: cfg, boot: trust.BootNonce{'h', 'o', 's', 't', 'i', 'l', 'e'}, done: make(chan struct{}),
		news: make(chan struct{}, 1), keys: map[uint32]*encap.Keypair{},
	}
	m.session = encap.NewSession(encap.SessionConfig{
		Local: &encap.Local{Identity: cfg.Identity, Ring: trust.NewRing(cfg.Secret.Derive()), Settings: cfg.Settings, Name: "member"},
		Peer:  cfg.Victim, Indexes: bindings{m}, Stamp: encap.Stamps(memberEpoch + uint64(time.Now().UnixNano())),
	})
	err := cfg.Place.Do(func() (err error) {
		m.conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(cfg.Listen))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attack: open the member's socket: %w", err)
	}
	go m.receive()
	return m, nil
}

// Close closes the socket.
func (m *Member) Close() error {
	err := m.conn.Close()
	<-m.done
	return err
}

// Addr is the member's endpoint.
func (m *Member) Addr() netip.AddrPort { return m.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Handshake makes a new session with the victim, which takes the place of the one before, and waits until the victim has
// answered a frame of it. The error is that of ctx if it does not.
func (m *Member) Handshake(ctx context.Context) error {
	before := m.Keys()
	if err := m.until(ctx, m.initiate, func() bool { return m.Keys() != before }); err != nil {
		return fmt.Errorf("attack: no answer to a handshake: %w", err)
	}
	m.mu.Lock()
	replies := m.replies
	m.mu.Unlock()
	probe := func() error { return m.SendControl(encap.Probe, encap.ProbeBody{ID: 1}.Append(nil)) }
	if err := m.until(ctx, probe, func() bool { return m.replies > replies }); err != nil {
		return fmt.Errorf("attack: no answer to a probe: %w", err)
	}
	return nil
}

// again is how long an answer is waited for before a question is sent once more.
const again = 300 * time.Millisecond

// until asks until it is done, which it looks at, with the lock held, whenever a frame has come.
func (m *Member) until(ctx context.Context, ask func() error, done func() bool) error {
	tick := time.NewTicker(again)
	defer tick.Stop()
	if err := ask(); err != nil {
		return err
	}
	for {
		m.mu.Lock()
		ready := done()
		m.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.news:
		case <-tick.C:
			if err := ask(); err != nil {
				return err
			}
		}
	}
}

func (m *Member) initiate() error {
	frame, err := m.Initiation()
	if err != nil {
		return err
	}
	return m.Send(frame)
}

// Initiation is a valid first frame of a handshake with the victim.
func (m *Member) Initiation() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session.Initiate(time.Now())
}

// Keys are those of the session now; nil: there are none.
func (m *Member) Keys() *encap.Keypair { return m.session.Current() }

// Data is a sealed frame with a packet in it, under the keys of now.
func (m *Member) Data(packet []byte) ([]byte, error) {
	return m.Keys().SealData(make([]byte, 0, len(packet)+64), 0, 0, packet)
}

// Send sends a frame to the victim, from the member's endpoint.
func (m *Member) Send(frame []byte) error {
	_, err := m.conn.WriteToUDPAddrPort(frame, m.cfg.At)
	return err
}

// SendControl sends a sealed control frame.
func (m *Member) SendControl(kind encap.ControlKind, body []byte) error {
	frame, err := m.Keys().SealControl(nil, kind, body)
	if err != nil {
		return err
	}
	return m.Send(frame)
}

// SendGossip sends a message of weft's gossip inside the session: memberlist's packet of one user message (userMsg in its net.go).
func (m *Member) SendGossip(message []byte) error {
	const userMessage = 8
	return m.SendControl(encap.Gossip, append(append(append([]byte(nil), m.boot[:]...), userMessage), message...))
}

// Stolen is how many packets the victim has sent to the member that are not for a prefix of its own.
func (m *Member) Stolen() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stolen
}

// receive takes frames until the socket is closed.
func (m *Member) receive() {
	defer close(m.done)
	b := make([]byte, 1<<16)
	for {
		n, _, err := m.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		m.take(b[:n])
		select {
		case m.news <- struct{}{}:
		default:
		}
	}
}

func (m *Member) take(frame []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, err := encap.ParseHeader(frame)
	if err != nil {
		return
	}
	switch h.Type {
	case encap.Response:
		_ = m.session.Complete(frame, time.Now()) // what does not verify is none
	case encap.Data:
		if k := m.keys[h.Index]; k != nil {
			m.takeData(k, frame)
		}
	case encap.Control:
		if k := m.keys[h.Index]; k != nil {
			m.takeControl(k, frame)
		}
	}
}

func (m *Member) takeData(k *encap.Keypair, frame []byte) {
	inner, err := k.OpenData(frame)
	if err != nil {
		return
	}
	_, to, _ := packet.Addrs(inner)
	if !slices.ContainsFunc(m.cfg.Own, func(p netip.Prefix) bool { return p.Contains(to) }) {
		m.stolen++
	}
}

func (m *Member) takeControl(k *encap.Keypair, frame []byte) {
	kind, body, err := k.OpenControl(frame)
	if err != nil {
		return
	}
	switch kind {
	case encap.ProbeReply:
		m.replies++
	case encap.Probe:
		if p, err := encap.ParseProbe(body); err == nil {
			_ = m.SendControl(encap.ProbeReply, encap.ProbeBody{ID: p.ID}.Append(nil)) // it is asked again
		}
	}
}

// bindings are the indexes of a member's session.
type bindings struct{ m *Member }

// Bind implements encap.Indexes; the lock is held.
func (b bindings) Bind(index uint32, k *encap.Keypair) { b.m.keys[index] = k }

// Release implements encap.Indexes; the lock is held.
func (b bindings) Release(index uint32) { delete(b.m.keys, index) }
