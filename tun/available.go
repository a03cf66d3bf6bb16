package tun

import "golang.org/x/sys/unix"

// Usable reports why Open would refuse the interface name on this machine: ErrNoDevice, ErrForeign or ErrBusy. It changes nothing.
// That somebody has an interface with one queue open shows while it is up: it has a carrier then.
func Usable(name string) error {
	if err := Available(); err != nil {
		return err
	}
	device, err := lookUp(name)
	if err == nil && device != nil && (device.Queues > 0 || device.RawFlags&unix.IFF_LOWER_UP != 0) {
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
