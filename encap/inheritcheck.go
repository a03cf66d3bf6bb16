package encap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// checkLane reports what is wrong with a descriptor that is to be one of the port's sockets.
func (u *UDPPort) checkLane(fd int, sends bool) error {
	port, err := checkSocket(fd, unix.SOCK_DGRAM, u.at.Addr(), unix.IPPROTO_UDP)
	if err != nil {
		return err
	}
	shared, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	switch {
	case err != nil:
		return err
	case sends == (port == u.at.Port()), port == 0:
		return fmt.Errorf("it is bound to port %d", port)
	case !sends && u.options.Lanes > 1 && shared == 0:
		return errors.New("it does not share its port")
	}
	return checkOpen(fd)
}

// checkSocket reports whether a descriptor is another socket than one of this type and one of these protocols, bound to that
// address in our network namespace. port is the one that it is bound to.
func checkSocket(fd, typ int, at netip.Addr, protocols ...int) (port uint16, err error) {
	family := unix.AF_INET6
	if at.Is4() {
		family = unix.AF_INET
	}
	for _, o := range []struct {
		name string
		opt  int
		want []int
	}{
		{"type", unix.SO_TYPE, []int{typ}},
		{"address family", unix.SO_DOMAIN, []int{family}},
		{"protocol", unix.SO_PROTOCOL, protocols},
	} {
		switch got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, o.opt); {
		case err != nil:
			return 0, fmt.Errorf("not a socket (%w)", err)
		case !slices.Contains(o.want, got):
			return 0, fmt.Errorf("its %s is %d, not %v", o.name, got, o.want)
		}
	}
	bound, err := boundAt(fd)
	if err == nil && bound.Addr() != numbered(at) {
		err = fmt.Errorf("it is bound to %s, not %s", bound.Addr(), at)
	}
	return bound.Port(), errors.Join(err, checkBothFamilies(fd, at), checkNamespace(fd))
}

// checkBothFamilies reports whether a socket at all IPv6 addresses does not carry IPv4.
func checkBothFamilies(fd int, at netip.Addr) error {
	if at != netip.IPv6Unspecified() {
		return nil
	}
	if only6, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY); err != nil || only6 != 0 {
		return errors.New("it carries IPv6 only")
	}
	return nil
}

// checkNamespace reports whether a socket is in another network namespace than the calling thread. The kernel tells since
// Linux 4.10 (SIOCGSKNS).
func checkNamespace(fd int) error {
	ns, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGSKNS, 0)
	if errno != 0 {
		return fmt.Errorf("its network namespace is not known (%w)", errno)
	}
	defer unix.Close(int(ns))
	var theirs, ours unix.Stat_t
	if err := errors.Join(unix.Fstat(int(ns), &theirs), unix.Stat("/proc/thread-self/ns/net", &ours)); err != nil {
		return fmt.Errorf("its network namespace is not known (%w)", err)
	}
	if theirs.Dev != ours.Dev || theirs.Ino != ours.Ino {
		return errors.New("it is in another network namespace")
	}
	return nil
}

// checkOpen reports whether a datagram socket was shut down or connected.
func checkOpen(fd int) error {
	fds := [1]unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(fds[:], 0); err != nil {
		return err
	}
	if fds[0].Revents&unix.POLLHUP != 0 {
		return errors.New("it was shut down")
	}
	if to, err := unix.Getpeername(fd); err == nil {
		return fmt.Errorf("it is connected to %s", fromSockaddr(to))
	}
	return nil
}

// boundAt is the address and port that a socket is bound to.
func boundAt(fd int) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return fromSockaddr(name), nil
}

// fromSockaddr is an address and port, unmapped and with the number of its zone; invalid for other families.
func fromSockaddr(name unix.Sockaddr) netip.AddrPort {
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

// numbered is an address with the number of its zone, if it has one.
func numbered(a netip.Addr) netip.Addr {
	if a.Zone() == "" {
		return a
	}
	return a.WithZone(strconv.FormatUint(uint64(scopeOf(a)), 10))
}

// checkListener reports what is wrong with a descriptor that is to be the listening socket at that address and port. Go
// listens for multipath TCP where the kernel has it.
func checkListener(fd int, at netip.AddrPort) error {
	port, err := checkSocket(fd, unix.SOCK_STREAM, at.Addr(), unix.IPPROTO_TCP, unix.IPPROTO_MPTCP)
	if err != nil {
		return err
	}
	switch listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); {
	case err != nil:
		return err
	case listens == 0:
		return errors.New("it does not listen")
	case port != at.Port():
		return fmt.Errorf("it is bound to port %d", port)
	}
	return nil
}
