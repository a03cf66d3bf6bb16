package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

var (
	// ErrNoDevice says that weft's device does not exist (any more): the caller opens it again and calls Set again.
	// The unreachable routes are in place all the same.
	ErrNoDevice = errors.New("no such device")
	// ErrNoAddress says that the host has no address that a peer could reach.
	ErrNoAddress = errors.New("no usable address")
	// ErrOverlay says that an underlay destination would be reached through the overlay itself.
	ErrOverlay = errors.New("the route leads into the overlay")
	// ErrPermission says that the process may not change the network.
	ErrPermission = errors.New("not permitted: run as root or with CAP_NET_ADMIN")
	// ErrNoIPv6 says that the overlay has an IPv6 prefix but the kernel has no IPv6, or it is switched off.
	ErrNoIPv6 = errors.New("IPv6 is switched off on this host (kernel option ipv6.disable or sysctl net.ipv6.conf.*.disable_ipv6)")
)

// explain wraps an error of netlink with the operation, and with our sentinel where the errno has one.
func explain(operation string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("kernel: %s: %w", operation, ErrPermission)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("kernel: %s: %w", operation, ErrNoDevice)
	}
	return fmt.Errorf("kernel: %s: %w", operation, err)
}

// explainFor is explain for an operation on an address or prefix: the kernel's ways to say that there is no IPv6 are
// EACCES (disable_ipv6 of the device), EAFNOSUPPORT and EOPNOTSUPP (no IPv6 at all).
func explainFor(addr netip.Addr, operation string, err error) error {
	if addr.Is6() && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP)) {
		return fmt.Errorf("kernel: %s: %w", operation, ErrNoIPv6)
	}
	return explain(operation, err)
}

// noSuchFamily reports whether the kernel does not know the address family of a request.
func noSuchFamily(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT)
}
