package encap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// UDPOptions say how to open the port.
type UDPOptions struct {
	Listen string // ":9338" for all addresses of both families, or one address and port
}

// UDPConn is the port: one UDP socket, for both families where the kernel has them. It sends and receives in batches
// (sendmmsg, recvmmsg) and waits in Go's poller. In a steady state it allocates nothing.
type UDPConn struct {
	conn     *net.UDPConn
	raw      syscall.RawConn
	is6      bool // the socket's family; an IPv6 socket carries IPv4 as well unless it is bound to one address
	features []Feature
	rcv, snd int
	rx       *udpReceiver
	overflow atomic.Uint64 // datagrams that the kernel dropped, as far as known

	mu   sync.Mutex   // guards idle
	idle []*udpSender // not in use now
}

var (
	_ Port = (*UDPConn)(nil)
	_ Conn = (*UDPConn)(nil)
)

// ListenUDP opens the port. The error wraps ErrInUse if another process has it.
func ListenUDP(o UDPOptions) (*UDPConn, error) {
	u := &UDPConn{}
	var setErr error
	conn, err := listenPacket(o.Listen, func(_, _ string, c syscall.RawConn) error {
		err := c.Control(func(fd uintptr) { setErr = u.configure(int(fd)) })
		return errors.Join(err, setErr)
	})
	if err != nil {
		return nil, err
	}
	u.conn = conn
	if u.raw, err = conn.SyscallConn(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("encap: listen at %s: %w", o.Listen, err)
	}
	u.rx = newUDPReceiver(u.is6)
	return u, nil
}

// Lanes implements Port.
func (u *UDPConn) Lanes() []Conn { return []Conn{u} }

// Port implements Port.
func (u *UDPConn) Port() uint16 { return u.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// Features implements Port.
func (u *UDPConn) Features() []Feature { return u.features }

// Buffers implements Port.
func (u *UDPConn) Buffers() (receive, send int) { return u.rcv, u.snd }

// Overflow implements Port, by SO_RXQ_OVFL.
func (u *UDPConn) Overflow() uint64 { return u.overflow.Load() }

// Close implements Port.
func (u *UDPConn) Close() error {
	if err := u.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("encap: close port: %w", err)
	}
	return nil
}

// Receive implements Conn. A datagram may be of any length from 0 on.
func (u *UDPConn) Receive() ([]Datagram, error) {
	for tries := 0; ; tries++ {
		u.rx.rearm()
		if err := u.raw.Read(u.rx.try); err != nil {
			return nil, portError("receive", err)
		}
		if u.rx.errno == 0 {
			out, overflow := u.rx.datagrams()
			u.overflow.Add(uint64(overflow))
			return out, nil
		}
		if tries == maxPending { // an error that waited at the socket is reported once; this is another
			return nil, fmt.Errorf("encap: receive: %w", u.rx.errno)
		}
	}
}

// maxPending bounds how many errors in a row Receive takes for leftovers of earlier sends.
const maxPending = 16

// Send implements Conn.
func (u *UDPConn) Send(trains []Train) SendResult {
	s := u.take()
	for i := range trains {
		s.train(&trains[i])
	}
	s.flush()
	result := s.result
	s.result = SendResult{}
	u.give(s)
	return result
}

// take returns a sender that nobody uses.
func (u *UDPConn) take() *udpSender {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := len(u.idle); n > 0 {
		s := u.idle[n-1]
		u.idle = u.idle[:n-1]
		return s
	}
	return newUDPSender(u.raw, u.is6)
}

func (u *UDPConn) give(s *udpSender) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.idle = append(u.idle, s)
}

// portError says os.ErrClosed for a closed port.
func portError(operation string, err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EBADF) {
		err = os.ErrClosed
	}
	return fmt.Errorf("encap: %s: %w", operation, err)
}
