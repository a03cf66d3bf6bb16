package tun

import "golang.org/x/sys/unix"

// Available reports whether TUN devices can be had on this machine; it makes none. The error wraps ErrNoDevice where the
// machine does not let us have one.
func Available() error {
	fd, err := unix.Open(clonePath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return attachError("a TUN device", err)
	}
	return unix.Close(fd)
}
