package encap

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// UDPConn is one lane of a UDPPort: it sends and receives in batches (sendmmsg, recvmmsg) and whole trains (UDP_SEGMENT,
// UDP_GRO). In a steady state it allocates nothing.
type UDPConn struct {
	in, out  *socket // one and the same in the first lane
	is6      bool    // the sockets' family
	gso      *segmentation
	receiver *udpReceiver
	breaks   *fragmentation // nil: the kernel never fragments what is sent here
	overflow atomic.Uint64  // datagrams that the kernel dropped, as far as known

	spare atomic.Pointer[udpSender] // not in use now
	mu    sync.Mutex                // guards idle
	idle  []*udpSender              // more that are not in use
}

var _ PolledConn = (*UDPConn)(nil)

func newUDPConn(in, out *socket, is6 bool, gso *segmentation) *UDPConn {
	return &UDPConn{in: in, out: out, is6: is6, gso: gso, receiver: newUDPReceiver(in)}
}

// Receive implements Conn. A datagram may be of any length from 0 on.
func (c *UDPConn) Receive() ([]Datagram, error) {
	for {
		out, err := c.TryReceive()
		if len(out) > 0 || err != nil {
			return out, err
		}
		if err := c.wait(); err != nil {
			return nil, err
		}
	}
}

// wait waits until there is something to receive.
func (c *UDPConn) wait() error {
	if !c.in.acquire() {
		return errClosed("receive")
	}
	defer c.in.release()
	return c.in.wait(unix.POLLIN, 0)
}

// TryReceive implements PolledConn.
func (c *UDPConn) TryReceive() ([]Datagram, error) {
	if !c.in.acquire() {
		return nil, errClosed("receive")
	}
	errno := c.receiver.receive()
	c.in.release()
	if errno != 0 {
		return nil, fmt.Errorf("encap: receive: %w", errno)
	}
	out, overflow := c.receiver.datagrams()
	if overflow != 0 {
		c.overflow.Add(uint64(overflow))
	}
	return out, nil
}

// Descriptor implements PolledConn.
func (c *UDPConn) Descriptor() int { return c.in.fd }

// Send implements Conn. The first train's Whole is that of all.
func (c *UDPConn) Send(trains []Train) SendResult {
	if !c.out.acquire() {
		return failAll(trains, errClosed("send"))
	}
	defer c.out.release()
	if c.breaks != nil && len(trains) > 0 && trains[0].Whole {
		if err := c.breaks.forbid(c.out.fd); err != nil {
			return failAll(trains, err)
		}
		defer c.breaks.allow(c.out.fd)
	}
	s := c.take()
	result := s.send(trains)
	c.give(s)
	runtime.KeepAlive(trains) // the kernel is told addresses; of pieces that lie side by side, only the first one's
	return result
}

// take returns a sender that nobody uses.
func (c *UDPConn) take() *udpSender {
	if s := c.spare.Swap(nil); s != nil {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		s := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return s
	}
	return newUDPSender(c.out, c.is6, c.gso)
}

func (c *UDPConn) give(s *udpSender) {
	if c.spare.CompareAndSwap(nil, s) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, s)
}

// keep makes close leave the sockets fit for use.
func (c *UDPConn) keep() error {
	if err := c.in.keep(); err != nil || c.out == c.in {
		return err
	}
	return c.out.keep()
}

// close wakes Receive and ends Send.
func (c *UDPConn) close() {
	c.in.close()
	c.out.close()
}

// awaitClosed waits, after close, until nobody holds the sockets any more.
func (c *UDPConn) awaitClosed() {
	<-c.in.gone
	<-c.out.gone
}

func errClosed(operation string) error { return fmt.Errorf("encap: %s: %w", operation, os.ErrClosed) }
