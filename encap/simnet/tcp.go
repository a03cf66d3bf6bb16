package simnet

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

const windowLen = 256 << 10 // bytes on their way or not read before a write waits

// tcpConn is one end of a connection. All its state is guarded by the network's mutex.
type tcpConn struct {
	host          *Host
	local, remote netip.AddrPort
	peer          *tcpConn
	in            []segment     // on its way to us, or arrived
	inLen         int           // bytes of in
	changed       chan struct{} // closed and replaced when a read or write of ours may go on
	closed        bool          // by us
	broken        bool          // by a reset
	readBy        time.Time     // deadlines; zero: none
	writeBy       time.Time
}

// segment is some bytes, or the end.
type segment struct {
	due  time.Time
	data []byte
	end  bool
}

func newConnPair(h, peer *Host, from, to netip.AddrPort) (ours, theirs *tcpConn) {
	ours = &tcpConn{host: h, local: from, remote: to, changed: make(chan struct{})}
	theirs = &tcpConn{host: peer, local: to, remote: from, changed: make(chan struct{}), peer: ours}
	ours.peer = theirs
	return ours, theirs
}

// announce wakes our reads and writes. mu is held.
func (c *tcpConn) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// attempt runs step under the lock until it is ready, waiting between for a change, a time or a deadline. step returns
// when to try again at the latest; zero: at a change.
func (c *tcpConn) attempt(deadline *time.Time, step func(now time.Time) (ready bool, again time.Time)) error {
	for {
		c.host.net.mu.Lock()
		now := time.Now()
		err := c.failure(*deadline, now)
		ready, again := err != nil, time.Time{}
		if !ready {
			ready, again = step(now)
		}
		by, changed, path := *deadline, c.changed, c.host.net.changed
		c.host.net.mu.Unlock()
		if ready {
			return err
		}
		await(now, earliest(by, again), changed, path)
	}
}

// failure is why nothing can be read or written. mu is held.
func (c *tcpConn) failure(deadline, now time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.broken:
		return syscall.ECONNRESET
	case !deadline.IsZero() && !now.Before(deadline):
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// await waits for one of the channels, or until a time if there is one.
func await(now, until time.Time, a, b <-chan struct{}) {
	var timer <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(until.Sub(now))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-a:
	case <-b:
	case <-timer:
	}
}

// Read implements net.Conn.
func (c *tcpConn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	ended := false
	err = c.attempt(&c.readBy, func(now time.Time) (bool, time.Time) {
		if len(c.in) == 0 || !c.host.net.pathUp(c.remote.Addr(), c.local.Addr()) {
			return false, time.Time{}
		}
		first := &c.in[0]
		if first.due.After(now) {
			return false, first.due
		}
		n, ended = c.consume(p), first.end
		return true, time.Time{}
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("simnet: read: %w", err)
	case ended:
		return 0, io.EOF
	}
	return n, nil
}

// consume takes bytes of the first segment; the end stays where it is. mu is held.
func (c *tcpConn) consume(p []byte) int {
	first := &c.in[0]
	if first.end {
		return 0
	}
	n := copy(p, first.data)
	if first.data = first.data[n:]; len(first.data) == 0 {
		c.in = c.in[1:]
	}
	c.inLen -= n
	c.peer.announce()
	return n
}

// Write implements net.Conn.
func (c *tcpConn) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		n := 0
		err := c.attempt(&c.writeBy, func(now time.Time) (bool, time.Time) {
			n = min(len(p), windowLen-c.peer.inLen)
			if n == 0 {
				return false, time.Time{}
			}
			c.push(segment{due: now.Add(c.host.net.opts.Delay), data: append([]byte(nil), p[:n]...)})
			return true, time.Time{}
		})
		if err != nil {
			return written, fmt.Errorf("simnet: write: %w", err)
		}
		written += n
		p = p[n:]
	}
	return written, nil
}

// push puts a segment on its way to the peer. mu is held.
func (c *tcpConn) push(s segment) {
	if c.peer.closed { // what arrives at a closed end is answered by a reset
		c.broken = true
		c.announce()
		return
	}
	if n := len(c.peer.in); n > 0 && c.peer.in[n-1].due.After(s.due) { // TCP keeps its order
		s.due = c.peer.in[n-1].due
	}
	c.peer.in = append(c.peer.in, s)
	c.peer.inLen += len(s.data)
	c.peer.announce()
}

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	if c.closed {
		return nil
	}
	if !c.peer.closed && !c.broken {
		c.push(segment{due: time.Now().Add(c.host.net.opts.Delay), end: true})
	}
	c.closed = true
	delete(c.host.conns, c)
	c.announce()
	c.peer.announce()
	return nil
}

// reset breaks the connection for both ends.
func (c *tcpConn) reset() {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	for _, end := range []*tcpConn{c, c.peer} {
		end.broken = true
		end.announce()
	}
	c.closed = true
	delete(c.host.conns, c)
}

// LocalAddr implements net.Conn.
func (c *tcpConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr implements net.Conn.
func (c *tcpConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetDeadline implements net.Conn.
func (c *tcpConn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.readBy, &c.writeBy) }

// SetReadDeadline implements net.Conn.
func (c *tcpConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.readBy) }

// SetWriteDeadline implements net.Conn.
func (c *tcpConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeBy) }

func (c *tcpConn) setDeadlines(t time.Time, which ...*time.Time) error {
	c.host.net.mu.Lock()
	defer c.host.net.mu.Unlock()
	for _, d := range which {
		*d = t
	}
	c.announce()
	return nil
}
