package tun

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

const clonePath = "/dev/net/tun"

// queue is a descriptor of /dev/net/tun that is attached to an interface. It is non-blocking, and not yet known to the
// runtime's poller: that may only happen once it is attached.
type queue struct {
	fd   int
	name string
}

// attach opens a queue of the interface name. With IFF_TUN_EXCL the interface is made, otherwise it is one that exists.
func attach(name string, flags uint16) (*queue, error) {
	fd, err := unix.Open(clonePath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, attachError(name, err)
	}
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(flags)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, attachError(name, err)
	}
	return &queue{fd: fd, name: name}, nil
}

// attachError says what a refusal means and what the user can do about it.
func attachError(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("tun: open %s: %w: %s is missing; load the module with `modprobe tun`, or give the container `--device %s`",
			name, ErrNoDevice, clonePath, clonePath)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("tun: open %s: %w: not permitted; run as root or with CAP_NET_ADMIN", name, ErrNoDevice)
	case errors.Is(err, unix.EBUSY):
		return busyError(name)
	}
	return fmt.Errorf("tun: open %s: %w", name, err)
}

func (q *queue) close() { _ = unix.Close(q.fd) }

// setOffloads tells the kernel what we take: TUN_F_*. It outlives the descriptor.
func (q *queue) setOffloads(offloads int) error {
	if err := unix.IoctlSetInt(q.fd, unix.TUNSETOFFLOAD, offloads); err != nil {
		return fmt.Errorf("tun: set offloads of %s: %w", q.name, err)
	}
	return nil
}

// resetHeader undoes what an earlier driver may have chosen for the virtio-net header: these settings belong to the
// interface and outlive the descriptor.
func (q *queue) resetHeader() error {
	if err := unix.IoctlSetPointerInt(q.fd, unix.TUNSETVNETHDRSZ, virtioHeaderLen); err != nil {
		return fmt.Errorf("tun: set header size of %s: %w", q.name, err)
	}
	if err := unix.IoctlSetPointerInt(q.fd, unix.TUNSETVNETLE, 0); err != nil {
		return fmt.Errorf("tun: set header byte order of %s: %w", q.name, err)
	}
	return nil
}

// persist makes the interface stay when the descriptor is closed.
func (q *queue) persist() error {
	if err := unix.IoctlSetInt(q.fd, unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("tun: make %s persistent: %w", q.name, err)
	}
	return nil
}
