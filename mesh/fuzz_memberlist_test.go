package mesh

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weftnet/weft/trust"
)

// deaf is an underlay on which nothing goes anywhere.
type deaf struct{}

// SendGossip implements Underlay.
func (deaf) SendGossip(trust.Fingerprint, []netip.AddrPort, []byte) error { return nil }

// DialGossip implements Underlay.
func (deaf) DialGossip(context.Context, trust.Fingerprint, []netip.AddrPort) (Stream, error) {
	return nil, errors.New("nobody")
}

// spoken is a stream of a peer that has said all, and hears nothing.
type spoken struct {
	net.Conn
	said   *bytes.Reader
	remote Remote
	once   sync.Once
	closed chan struct{}
}

func (s *spoken) Remote() Remote                   { return s.remote }
func (s *spoken) Read(p []byte) (int, error)       { return s.said.Read(p) }
func (s *spoken) Write(p []byte) (int, error)      { return len(p), nil }
func (s *spoken) RemoteAddr() net.Addr             { return syntheticAddr(s.remote.ID) }
func (s *spoken) SetDeadline(time.Time) error      { return nil }
func (s *spoken) SetReadDeadline(time.Time) error  { return nil }
func (s *spoken) SetWriteDeadline(time.Time) error { return nil }

// Close implements net.Conn.
func (s *spoken) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// pack is MessagePack of a struct as memberlist writes it: names and values by turns.
func pack(kind byte, fields ...any) []byte {
	b := []byte{kind, 0x80 | byte(len(fields)/2)}
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			b = append(append(b, 0xd9, byte(len(f))), f...)
		case []byte:
			b = append(append(b, 0xc4, byte(len(f))), f...)
		case int:
			b = append(b, byte(f))
		case bool:
			b = append(b, map[bool]byte{false: 0xc2, true: 0xc3}[f])
		}
	}
	return b
}

// FuzzMemberlist gives memberlist, as it is set up here, the packets and streams of a member: whoever holds the cluster's secret
// can send them. It must not panic, and must come to the end of them.
func FuzzMemberlist(f *testing.F) {
	m, err := New(Config{
		Identity: testIdentity("me"), Boot: trust.BootNonce{1}, Name: "me", Network: testContent().Network,
		Subnet: Subnet{Kind: KindAuto}, Underlay: deaf{},
	})
	if err != nil {
		f.Fatal(err)
	}
	list, err := memberlist.Create(memberlistConfig(m.cfg, m.transport, m.delegate))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = errors.Join(m.transport.Shutdown(), list.Shutdown()) })
	who := memberName{testIdentity("a").Fingerprint(), trust.BootNonce{2}}
	addMemberlistSeeds(f, who, m.me)
	last := append([]byte{userMsg}, bytes.Repeat([]byte{77}, 36)...)
	f.Fuzz(func(t *testing.T, packet, said []byte) {
		m.transport.ingest(who.id, packet)
		m.transport.ingest(who.id, last)
		for !slices.ContainsFunc(m.mail.take(), func(l letter) bool { return l.size == len(last) }) {
			<-m.mail.ready
		}
		s := &spoken{said: bytes.NewReader(said), remote: Remote{ID: who.id, Boot: who.boot}, closed: make(chan struct{})}
		m.transport.deliver(s)
		<-s.closed
		for _, n := range list.Members() {
			if name, ok := parseMemberName(n.Name); !ok || !n.Addr.Equal(syntheticIP(name.id)) {
				t.Errorf("%q at %v is a member", n.Name, n.Addr)
			}
		}
	})
}

// Some of memberlist's types of messages.
const (
	pingMsg, indirectPingMsg, ackMsg, suspectMsg, aliveMsg, deadMsg, pushPullMsg, compoundMsg, userMsg = 0, 1, 2, 3, 4, 5, 6, 7, 8
)

func addMemberlistSeeds(f *testing.F, who, me memberName) {
	addr, versions := []byte(syntheticIP(who.id)), []byte{1, 5, 2, 0, 0, 0}
	alive := pack(aliveMsg, "Incarnation", 1, "Node", who.String(), "Addr", addr, "Port", 7, "Meta", []byte{}, "Vsn", versions)
	f.Add(alive, []byte{})
	f.Add(pack(pingMsg, "SeqNo", 1, "Node", me.String(), "SourceAddr", addr, "SourceNode", who.String()), pack(pingMsg, "SeqNo", 1, "Node", me.String()))
	f.Add(pack(indirectPingMsg, "SeqNo", 1, "Target", addr, "Port", 1, "Node", who.String(), "Nack", true), []byte{userMsg, 0x81, 0xd9, 10})
	f.Add(pack(ackMsg, "SeqNo", 1, "Payload", []byte{1}), append(pack(userMsg, "UserMsgLen", 3), 1, 2, 3))
	f.Add(pack(suspectMsg, "Incarnation", 1, "Node", me.String(), "From", who.String()), []byte{10, 1, 2, 3})
	f.Add(pack(deadMsg, "Incarnation", 1, "Node", who.String(), "From", who.String()), []byte{11})
	f.Add(append([]byte{compoundMsg, 2, 0, 3, 0, 200}, alive...), []byte{244, 1, 'x'})
	state := pack(0, "Name", who.String(), "Addr", addr, "Port", 7, "Meta", []byte{}, "Incarnation", 2, "State", 0, "Vsn", versions)[1:]
	f.Add([]byte{12, 0, 0, 0, 0, 8}, append(append(pack(pushPullMsg, "Nodes", 1, "UserStateLen", 1, "Join", true), state...), stateVersion))
	f.Add([]byte{}, pack(pushPullMsg, "Nodes", 127, "UserStateLen", 127, "Join", false))
}
