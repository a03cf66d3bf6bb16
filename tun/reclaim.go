package tun

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
)

// Reclaimable is a Device that finds its interface again under whatever name somebody gave it.
type Reclaimable interface {
	// Reclaim gives the interface its name and alias back, and returns the name that it had meanwhile; empty: it had its own,
	// and the alias too. Packets move all the while, but for kernels before Linux 6.2, which rename only what is down: it is
	// then left down. ErrGone: there is no interface any more, or it is in another network namespace; it then goes with its
	// last queue. Any other error, such as that another interface has the name, leaves the interface as it is.
	Reclaim() (was string, err error)
}

// Reclaim implements Reclaimable.
func (d *super) Reclaim() (was string, err error) {
	q := d.each[0]
	if !q.guard.acquire() {
		return "", fmt.Errorf("tun: %s: %w", d.name, ErrGone)
	}
	defer q.guard.release()
	return reclaim(q.fd, d.name)
}

// Reclaim implements Reclaimable.
func (f *file) Reclaim() (was string, err error) {
	err = inherit.With(f.os, func(fd int) error {
		was, err = reclaim(fd, f.name)
		return err
	})
	return was, err
}

// reclaim is Reclaim for the interface of a queue.
func reclaim(fd int, name string) (was string, err error) {
	was, err = interfaceOf(fd)
	if err != nil {
		return "", fmt.Errorf("tun: %s: %w", name, err)
	}
	link, err := netlink.LinkByName(was)
	if err != nil {
		return "", fmt.Errorf("tun: look up %s: %w", was, err)
	}
	if was == name && link.Attrs().Alias == alias {
		return "", nil
	}
	if was != name {
		err = rename(link, name)
	}
	if err == nil && link.Attrs().Alias != alias {
		err = netlink.LinkSetAlias(link, alias)
	}
	if err != nil {
		return "", fmt.Errorf("tun: give %s, which was %s, its name back: %w (if another interface has that name, remove or rename it)", was, name, err)
	}
	return was, nil
}

// interfaceOf is the present name of a queue's interface. One that was moved to another network namespace is of no use to
// anybody: it is made to go with its last queue.
func interfaceOf(fd int) (string, error) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); err != nil {
		return "", ErrGone
	}
	if err := inherit.CheckDeviceNamespace(fd); err != nil && !errors.As(err, new(unix.Errno)) { // an old kernel does not tell
		_ = unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 0)
		return "", fmt.Errorf("%w: %w", ErrGone, err)
	}
	return ifr.Name(), nil
}

// rename gives an interface a name. Before Linux 6.2 it must be down for that (IFF_LIVE_RENAME_OK).
func rename(link netlink.Link, name string) error {
	err := netlink.LinkSetName(link, name)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	if err := netlink.LinkSetDown(link); err != nil {
		return err
	}
	return netlink.LinkSetName(link, name)
}
