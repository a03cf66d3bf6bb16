package load

import (
	"errors"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a blocking descriptor. Go's own connections wait in its poller, which adds a wake-up of another thread to each
// wait; here the thread that calls is the one that the kernel wakes.
//
// One goroutine reads, one writes, and the one that made it (or took it over) closes it when both are done. interrupt may be
// called from anywhere at any time: it ends the calls that wait.
type socket struct {
	fd   int
	is6  bool
	peer netip.AddrPort // of a connection that was accepted

	mu     sync.Mutex // guards what follows, and that nobody uses a descriptor that has been given back
	closed bool
	lost   uint64 // the last drops
}

// newSocket makes a socket in a place. kind is unix.SOCK_STREAM or unix.SOCK_DGRAM.
func newSocket(place Place, kind int, is6 bool) (*socket, error) {
	family := unix.AF_INET
	if is6 {
		family = unix.AF_INET6
	}
	s := &socket{is6: is6}
	err := place.Do(func() (err error) {
		s.fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// interrupt makes every call that waits return, now and later. shutdown wakes those who wait on a UDP socket that is not
// connected, too, although it says ENOTCONN: inet_shutdown in net/ipv4/af_inet.c.
func (s *socket) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
	}
}

// close may be called again.
func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.lost = s.dropsLocked()
	s.closed = true
	_ = unix.Close(s.fd)
}

// reset closes a TCP connection with a reset, so that neither end keeps its port for a minute (TIME_WAIT).
func (s *socket) reset() {
	_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	s.close()
}

// drops is how many datagrams the kernel has dropped at this socket because its buffer was full (or the checksum wrong).
func (s *socket) drops() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.lost = s.dropsLocked()
	}
	return s.lost
}

// dropsLocked asks SO_MEMINFO (Linux 4.12), which tells of drops also when no datagram follows that could carry SO_RXQ_OVFL.
func (s *socket) dropsLocked() uint64 {
	var info [9]uint32 // SK_MEMINFO_VARS in linux/sock_diag.h; the last is SK_MEMINFO_DROPS
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return s.lost
	}
	return uint64(info[8])
}

// bind gives the socket an address; port 0: any.
func (s *socket) bind(to netip.AddrPort) error {
	address, err := s.sockaddr(to)
	if err != nil {
		return err
	}
	return unix.Bind(s.fd, address)
}

// connect waits for the other end, for TCP at most as long as the limit of unix.SO_SNDTIMEO.
func (s *socket) connect(to netip.AddrPort) error {
	address, err := s.sockaddr(to)
	if err != nil {
		return err
	}
	for {
		switch err = unix.Connect(s.fd, address); err {
		case unix.EINTR: // with a limit set, a signal ends the wait; the next call waits on
		case unix.EINPROGRESS, unix.EALREADY:
			return unix.ETIMEDOUT // what a limit answers
		case unix.EISCONN:
			return nil
		default:
			return err
		}
	}
}

// local is the address that the socket is bound to.
func (s *socket) local() (netip.AddrPort, error) {
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)), nil
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT
}

func (s *socket) sockaddr(to netip.AddrPort) (unix.Sockaddr, error) {
	addr := to.Addr()
	switch {
	case addr.Zone() != "":
		return nil, errors.New("addresses with a zone are not supported")
	case s.is6:
		return &unix.SockaddrInet6{Addr: addr.As16(), Port: int(to.Port())}, nil
	case addr.Unmap().Is4():
		return &unix.SockaddrInet4{Addr: addr.Unmap().As4(), Port: int(to.Port())}, nil
	}
	return nil, unix.EAFNOSUPPORT
}

// set sets an integer option.
func (s *socket) set(level, option, value int) error {
	return unix.SetsockoptInt(s.fd, level, option, value)
}

// limit bounds how long a receive (unix.SO_RCVTIMEO) or a send and a connect (unix.SO_SNDTIMEO) waits; 0: for ever. What
// takes longer ends with EAGAIN.
func (s *socket) limit(option int, d time.Duration) error {
	tv := unix.NsecToTimeval(d.Nanoseconds())
	return unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, option, &tv)
}

// buffer asks for a receive buffer of that many bytes, beyond net.core.rmem_max where the process may.
func (s *socket) buffer(bytes int) {
	if s.set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
		_ = s.set(unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
	}
}

// dontFragment sets DF and lets packets out that are as large as the interface takes, whatever the kernel has learned of
// the path.
func (s *socket) dontFragment() error {
	if s.is6 {
		return s.set(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	}
	return s.set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
}

// recv waits for bytes or one datagram. 0 of a TCP connection is its end, or an interruption.
func (s *socket) recv(b []byte) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// recvAll fills b.
func (s *socket) recvAll(b []byte) error {
	for len(b) > 0 {
		n, err := s.recv(b)
		if err != nil {
			return err
		}
		if n == 0 {
			return errEnded
		}
		b = b[n:]
	}
	return nil
}

// send sends some of b, or one datagram.
func (s *socket) send(b []byte) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// sendAll sends b and returns how much of it the kernel took.
func (s *socket) sendAll(b []byte) (sent int, err error) {
	for sent < len(b) {
		n, err := s.send(b[sent:])
		if err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// accept waits for a connection.
func (s *socket) accept() (*socket, error) {
	for {
		var from sockname
		size := uint32(sockNameLen)
		fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(s.fd), uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return &socket{fd: int(fd), is6: s.is6, peer: from.addrPort()}, nil
		case unix.EINTR, unix.ECONNABORTED, unix.EAGAIN:
		default:
			return nil, errno
		}
	}
}
