package encap

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
)

// checkLanes says what stands against descriptors that are to be the port's sockets, in the order of UDPPort.Descriptors.
func (u *UDPPort) checkLanes(files []*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		err := inherit.With(f, func(fd int) error {
			fds[i] = fd // good as long as the file is ours
			return u.checkLane(fd, sends(i))
		})
		if err != nil {
			return fmt.Errorf("socket %d: %w", i, err)
		}
	}
	return inherit.CheckDistinct(fds)
}

// checkLane reports what is wrong with a descriptor that is to be one of the port's sockets.
func (u *UDPPort) checkLane(fd int, sends bool) error {
	want := inherit.Socket{Type: unix.SOCK_DGRAM, Protocols: []int{unix.IPPROTO_UDP}, At: numbered(u.at.Addr())}
	port, err := want.Check(fd)
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
	return inherit.CheckDatagrams(fd)
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
	want := inherit.Socket{
		Type: unix.SOCK_STREAM, Protocols: []int{unix.IPPROTO_TCP, unix.IPPROTO_MPTCP}, At: numbered(at.Addr()),
	}
	port, err := want.Check(fd)
	if err == nil {
		err = inherit.CheckListens(fd)
	}
	if err == nil && port != at.Port() {
		err = fmt.Errorf("it is bound to port %d", port)
	}
	return err
}
