package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weftnet/weft/trust"
)

const (
	packetQueue = 1024 // packets that wait for memberlist
	streamQueue = 64   // streams that wait for memberlist, which takes them at once
)

var (
	errClosed    = errors.New("mesh: closed")
	errNoName    = errors.New("mesh: memberlist gave no node name")
	errNotMember = errors.New("mesh: another node answers there")
)

// transport carries memberlist over the Underlay. It finds nodes by name; the addresses that memberlist has mean nothing.
type transport struct {
	self     memberName
	underlay Underlay
	book     *book
	learned  func(Remote) // called for every stream

	packets chan *memberlist.Packet
	streams chan net.Conn
	dropped atomic.Uint64 // packets and streams that memberlist was too slow for
	unsent  atomic.Uint64 // packets that the underlay did not take
	ctx     context.Context
	cancel  context.CancelFunc // ends dials

	mu     sync.Mutex // guards what follows
	closed bool
	stash  map[string][]*trackedConn // streams that calls have opened, for memberlist to take by name
	conns  map[*trackedConn]struct{}
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

func newTransport(self memberName, underlay Underlay, b *book, learned func(Remote)) *transport {
	t := &transport{
		self: self, underlay: underlay, book: b, learned: learned,
		packets: make(chan *memberlist.Packet, packetQueue),
		streams: make(chan net.Conn, streamQueue),
		stash:   map[string][]*trackedConn{},
		conns:   map[*trackedConn]struct{}{},
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// FinalAdvertiseAddr gives memberlist our synthetic address.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return syntheticIP(t.self.id), DefaultPort, nil
}

// PacketCh is where memberlist reads packets.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh is where memberlist takes streams that peers opened.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// WriteTo is not used: memberlist is told to name the node.
func (t *transport) WriteTo([]byte, string) (time.Time, error) { return time.Time{}, errNoName }

// DialTimeout is not used: memberlist is told to name the node.
func (t *transport) DialTimeout(string, time.Duration) (net.Conn, error) { return nil, errNoName }

// WriteToAddress sends a packet to the node with that name. Its errors are local: the Underlay was overloaded or did not
// like the packet. So they are counted, and must not be a *net.OpError: memberlist takes that of a UDP write for a failure
// of the other node (failedRemote in its state.go) and goes straight on to asking others and suspecting it. A node that is
// gone does not answer, and that is how memberlist finds out.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	to, ok := parseMemberName(a.Name)
	if !ok {
		return time.Time{}, errNoName
	}
	if to.id == t.self.id {
		return time.Now(), nil // another boot of ours: there is nobody to send it to
	}
	if err := t.underlay.SendGossip(to.id, t.book.at(to.id), b); err != nil {
		t.unsent.Add(1)
		return time.Time{}, fmt.Errorf("mesh: send to %s: %w", to.id.Short(), err)
	}
	return time.Now(), nil
}

// DialAddressTimeout opens a stream to the node with that name, or takes the one that a call has opened.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	to, ok := parseMemberName(a.Name)
	if !ok {
		return nil, errNoName
	}
	if conn := t.takeStashed(a.Name); conn != nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	stream, err := t.underlay.DialGossip(ctx, to.id, t.book.at(to.id))
	if err != nil {
		return nil, fmt.Errorf("mesh: dial %s: %w", to.id.Short(), err)
	}
	r := stream.Remote()
	t.learned(r)
	if (memberName{r.ID, r.Boot}) != to {
		_ = stream.Close()
		return nil, errNotMember
	}
	return t.track(stream)
}

// ingest hands a packet from the underlay to memberlist.
func (t *transport) ingest(from trust.Fingerprint, packet []byte) {
	p := &memberlist.Packet{Buf: append([]byte(nil), packet...), From: syntheticAddr(from), Timestamp: time.Now()}
	select {
	case t.packets <- p:
	default:
		t.dropped.Add(1)
	}
}

// deliver hands a stream that a peer opened to memberlist.
func (t *transport) deliver(s Stream) {
	conn, err := t.track(s)
	if err != nil {
		return
	}
	select {
	case t.streams <- conn:
	default:
		t.dropped.Add(1)
		_ = conn.Close()
	}
}

// stashFor keeps a stream until memberlist dials that name; discard closes it if memberlist never did.
func (t *transport) stashFor(name string, s Stream) (discard func(), err error) {
	conn, err := t.track(s)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stash[name] = append(t.stash[name], conn)
	return func() { t.unstash(name, conn) }, nil
}

func (t *transport) unstash(name string, conn *trackedConn) {
	t.mu.Lock()
	at := slices.Index(t.stash[name], conn)
	if at >= 0 {
		t.removeStashed(name, at)
	}
	t.mu.Unlock()
	if at >= 0 {
		_ = conn.Close()
	}
}

func (t *transport) takeStashed(name string) net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.stash[name]) == 0 {
		return nil
	}
	conn := t.stash[name][0]
	t.removeStashed(name, 0)
	return conn
}

// removeStashed needs mu.
func (t *transport) removeStashed(name string, at int) {
	t.stash[name] = slices.Delete(t.stash[name], at, at+1)
	if len(t.stash[name]) == 0 {
		delete(t.stash, name)
	}
}

// Shutdown ends all dials and closes all streams, so that nothing of memberlist's hangs in them.
func (t *transport) Shutdown() error {
	t.cancel()
	t.mu.Lock()
	t.closed = true
	conns := t.conns
	t.conns = map[*trackedConn]struct{}{}
	t.stash = map[string][]*trackedConn{}
	t.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
	return nil
}

func (t *transport) track(s Stream) (*trackedConn, error) {
	c := &trackedConn{Conn: s, transport: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = s.Close()
		return nil, errClosed
	}
	t.conns[c] = struct{}{}
	return c, nil
}

// trackedConn is a stream that Shutdown closes if memberlist has not.
type trackedConn struct {
	net.Conn
	transport *transport
}

// Close closes the stream and forgets it.
func (c *trackedConn) Close() error {
	c.transport.mu.Lock()
	delete(c.transport.conns, c)
	c.transport.mu.Unlock()
	return c.Conn.Close()
}
