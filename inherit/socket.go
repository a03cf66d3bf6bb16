package inherit

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Socket is what a descriptor must be to be inherited.
type Socket struct {
	Type      int        // unix.SOCK_DGRAM or unix.SOCK_STREAM
	Protocols []int      // unix.IPPROTO_*: one of these
	At        netip.Addr // bound to it, unmapped, with the number of its zone; [::] carries IPv4, too
}

// Check reports what is wrong with a descriptor that is to be such a socket, in our network namespace. port is the one that it
// is bound to; 0: none.
func (s Socket) Check(fd int) (port uint16, err error) {
	if err := s.checkOptions(fd); err != nil {
		return 0, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	bound := addrPort(name)
	if bound.Addr() != s.At {
		return 0, fmt.Errorf("it is bound to %s, not %s", bound.Addr(), s.At)
	}
	if s.At == netip.IPv6Unspecified() {
		if err := checkBothFamilies(fd); err != nil {
			return 0, err
		}
	}
	return bound.Port(), CheckSocketNamespace(fd)
}

// checkOptions compares what a socket is made with.
func (s Socket) checkOptions(fd int) error {
	family := unix.AF_INET6
	if s.At.Is4() {
		family = unix.AF_INET
	}
	for _, o := range []struct {
		name string
		opt  int
		want []int
	}{
		{"type", unix.SO_TYPE, []int{s.Type}},
		{"address family", unix.SO_DOMAIN, []int{family}},
		{"protocol", unix.SO_PROTOCOL, s.Protocols},
	} {
		switch got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, o.opt); {
		case err != nil:
			return fmt.Errorf("not a socket (%w)", err)
		case !slices.Contains(o.want, got):
			return fmt.Errorf("its %s is %d, not %v", o.name, got, o.want)
		}
	}
	return nil
}

// checkBothFamilies reports whether an IPv6 socket does not carry IPv4.
func checkBothFamilies(fd int) error {
	if only6, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY); err != nil || only6 != 0 {
		return errors.New("it carries IPv6 only")
	}
	return nil
}

// CheckDatagrams reports whether a datagram socket was shut down or connected.
func CheckDatagrams(fd int) error {
	fds := [1]unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(fds[:], 0); err != nil {
		return err
	}
	if fds[0].Revents&unix.POLLHUP != 0 {
		return errors.New("it was shut down")
	}
	if to, err := unix.Getpeername(fd); err == nil {
		return fmt.Errorf("it is connected to %s", addrPort(to))
	}
	return nil
}

// CheckListens reports whether a stream socket does not listen.
func CheckListens(fd int) error {
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err == nil && listens == 0 {
		err = errors.New("it does not listen")
	}
	return err
}

// CheckDistinct reports whether two descriptors are of the same socket. It tells by the cookie, which each socket of a kernel
// has for itself (SO_COOKIE, Linux 4.12).
func CheckDistinct(fds []int) error {
	seen := map[uint64]int{}
	for i, fd := range fds {
		cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
		if err != nil {
			return err
		}
		if first, ok := seen[cookie]; ok {
			return fmt.Errorf("sockets %d and %d are the same one", first, i)
		}
		seen[cookie] = i
	}
	return nil
}

// addrPort is an address and port, unmapped and with the number of its zone; invalid for families other than IPv4 and IPv6.
func addrPort(name unix.Sockaddr) netip.AddrPort {
	switch at := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(at.Addr).Unmap()
		if at.ZoneId != 0 {
			addr = addr.WithZone(strconv.FormatUint(uint64(at.ZoneId), 10))
		}
		return netip.AddrPortFrom(addr, uint16(at.Port))
	}
	return netip.AddrPort{}
}
