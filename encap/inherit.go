package encap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
)

// inheritLanes goes on with the sockets that an earlier process left. All are checked before any is changed. The error wraps
// inherit.ErrRefused.
func (u *UDPPort) inheritLanes() error {
	files, lanes := u.options.Inherited, u.options.Lanes
	if want := 2*lanes - 1; len(files) != want {
		return fmt.Errorf("%w: %d sockets came, %d lanes have %d", inherit.ErrRefused, len(files), lanes, want)
	}
	u.at = boundTo(u.at)
	if err := u.checkLanes(files); err != nil {
		return fmt.Errorf("%w: %w", inherit.ErrRefused, err)
	}
	if err := u.adoptLanes(files); err != nil {
		return fmt.Errorf("%w: %w", inherit.ErrRefused, err)
	}
	return nil
}

// sends reports whether socket i of UDPPort.Descriptors only sends.
func sends(i int) bool { return i > 0 && i%2 == 0 }

// boundTo is the address that a port opened now would have: where the kernel has no IPv6, all addresses are those of IPv4.
func boundTo(at netip.AddrPort) netip.AddrPort {
	if at.Addr() != netip.IPv6Unspecified() {
		return at
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if lacksIPv6(err) {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())
	}
	if err == nil {
		unix.Close(fd)
	}
	return at
}

// adoptLanes makes the port's lanes of sockets that were checked.
func (u *UDPPort) adoptLanes(files []*os.File) error {
	first, err := u.adopt(files[0], letIn)
	if err != nil {
		return err
	}
	u.addLane(first, first)
	for i := 1; i < len(files); i += 2 {
		in, err := u.adopt(files[i], letIn)
		if err != nil {
			return err
		}
		out, err := u.adopt(files[i+1], refuseAll)
		if err != nil {
			in.close()
			return err
		}
		u.addLane(in, out)
	}
	if u.options.Lanes == 1 {
		return nil
	}
	return steer(first.fd, u.options.Lanes, false)
}

// adopt makes a socket of an inherited descriptor and sets all its options anew.
func (u *UDPPort) adopt(f *os.File, filter func(fd int) error) (*socket, error) {
	fd, err := inherit.Detach(f)
	if err != nil {
		return nil, err
	}
	g, err := configure(fd, u.at.Addr().Is6(), u.options)
	if err == nil {
		err = filter(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	u.granted = u.granted.and(g)
	return &socket{fd: fd, gone: make(chan struct{})}, nil
}

// letIn removes a filter, if there is one.
func letIn(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// InheritTCP goes on with a listening socket that an earlier process left open at listen; connections that wait in it are
// accepted. It takes f over, also when it fails; the error then wraps inherit.ErrRefused.
func InheritTCP(listen string, f *os.File) (net.Listener, error) {
	defer f.Close()
	at, err := parseListen(listen)
	if err != nil {
		return nil, err
	}
	at = boundTo(at)
	if err := inherit.With(f, func(fd int) error { return checkListener(fd, at) }); err != nil {
		return nil, fmt.Errorf("encap: listen at %s: %w: %w", listen, inherit.ErrRefused, err)
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("encap: listen at %s: %w: %w", listen, inherit.ErrRefused, err)
	}
	return ln, nil
}
