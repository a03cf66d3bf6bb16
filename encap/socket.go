package encap

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a non-blocking UDP socket that Go's poller does not know: the poller's thread would be woken by every
// datagram that comes, also while a lane drains the socket without waiting. Whoever uses the descriptor holds the socket
// meanwhile, and the last one closes it: a number that is in use never comes to name something else.
type socket struct {
	fd    int
	wake  int           // an eventfd that close makes readable, of a socket that is kept; 0: it is not
	state atomic.Int64  // how many hold it, and the two bits
	gone  chan struct{} // closed when the descriptor is
}

const (
	socketClosing = 1 << 62 // nobody may take hold of it any more
	socketClosed  = 1 << 61 // the descriptor is closed
)

// acquire takes hold of the socket. false: it is closed.
func (s *socket) acquire() bool {
	if s.state.Add(1) < socketClosed {
		return true
	}
	s.release()
	return false
}

// release undoes one acquire.
func (s *socket) release() {
	if s.state.Add(-1) == socketClosing && s.state.CompareAndSwap(socketClosing, socketClosing|socketClosed) {
		unix.Close(s.fd)
		if s.wake != 0 {
			unix.Close(s.wake)
		}
		close(s.gone)
	}
}

// keep makes close spare the socket, whose descriptor somebody else has too: a shutdown would be for all. It is called before
// the socket is used.
func (s *socket) keep() (err error) {
	s.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		s.wake = 0
		return fmt.Errorf("encap: make an event descriptor: %w", err)
	}
	return nil
}

// close wakes all that wait at the socket; the descriptor goes when nobody holds it any more. The shutdown of a socket
// that is not connected fails with ENOTCONN, but only after it has woken everybody who polls it, for good (inet_shutdown
// in net/ipv4/af_inet.c; datagram_poll).
func (s *socket) close() {
	if !s.acquire() {
		return
	}
	s.state.Or(socketClosing)
	if s.wake == 0 {
		_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
	} else {
		_, _ = unix.Write(s.wake, []byte{7: 1}) // not 0, in any byte order
	}
	s.release()
}

// wait returns when the socket is ready for events or closed, or after most (0: never); perhaps sooner.
func (s *socket) wait(events int16, most time.Duration) error {
	fds := [2]unix.PollFd{{Fd: int32(s.fd), Events: events}, {Fd: -1}}
	if s.wake != 0 {
		fds[1] = unix.PollFd{Fd: int32(s.wake), Events: unix.POLLIN}
	}
	var timeout *unix.Timespec
	if most > 0 {
		t := unix.NsecToTimespec(most.Nanoseconds())
		timeout = &t
	}
	if _, err := unix.Ppoll(fds[:], timeout, nil); err != nil && err != unix.EINTR {
		return fmt.Errorf("encap: wait for socket: %w", err)
	}
	return nil
}

// bindSocket opens a socket of the address's family, lets prepare set its options, and binds it. An IPv6 socket at all
// addresses carries IPv4 as well.
func bindSocket(at netip.AddrPort, prepare func(fd int) error) (*socket, error) {
	family := unix.AF_INET6
	if at.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, err
	}
	if err = bind(fd, at, prepare); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &socket{fd: fd, gone: make(chan struct{})}, nil
}

func bind(fd int, at netip.AddrPort, prepare func(fd int) error) error {
	if err := prepare(fd); err != nil {
		return err
	}
	if at.Addr().Is4() {
		return unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	}
	only6 := 1
	if at.Addr().IsUnspecified() {
		only6 = 0
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only6); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet6{
		Port: int(at.Port()), ZoneId: scopeOf(at.Addr()), Addr: at.Addr().As16(),
	})
}

// localPort is the port that the socket is bound to.
func (s *socket) localPort() (uint16, error) {
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return 0, err
	}
	switch at := name.(type) {
	case *unix.SockaddrInet4:
		return uint16(at.Port), nil
	case *unix.SockaddrInet6:
		return uint16(at.Port), nil
	default:
		return 0, unix.EAFNOSUPPORT
	}
}
