package tun

import "golang.org/x/sys/unix"

// Usable reports why Open would refuse the interface name on this machine, as far as that shows without opening it: ErrNoDevice,
// ErrForeign, or ErrBusy where the interface has several queues. It changes nothing.
func Usable(name string) error {
	if err := Available(); err != nil {
		return err
	}
	device, err := lookUp(name)
	if err == nil && device != nil && device.Queues > 0 {
		return busyError(name)
	}
	return err
}

// Available reports whether TUN devices can be had on this machine; it makes none. The error wraps ErrNoDevice where the
// machine does not let us have one.
func Available() error {
	fd, err := unix.Open(clonePath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return attachError("a TUN device", err)
	}
	return unix.Close(fd)
}
