package tun

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// alias marks an interface as ours (ip link show: "alias weft").
const alias = "weft"

// queueLen is the least txqueuelen, in packets. The kernel's 500 drop under bursts; a superpacket counts as one.
const queueLen = 1000

// presence is what stands behind an interface name.
type presence int

const (
	absent     presence = iota
	adoptable           // ours, and of the kind that we make
	mismatched          // ours, but with flags that cannot be changed on a living interface
)

// inspect says what the interface name is. It returns an error that wraps ErrForeign when it is not ours, and ErrBusy when
// it is mismatched and open.
func inspect(name string) (presence, error) {
	link, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return absent, nil
	}
	if err != nil {
		return absent, fmt.Errorf("tun: look up %s: %w", name, err)
	}
	device, ok := link.(*netlink.Tuntap)
	switch {
	case !ok:
		return absent, fmt.Errorf("tun: %s is a %s interface, %w; choose another device name", name, link.Type(), ErrForeign)
	case link.Attrs().Alias != alias:
		return absent, fmt.Errorf("tun: %s is a TUN device of somebody else, %w; choose another device name, or `ip link del %s`",
			name, ErrForeign, name)
	case device.Mode == unix.IFF_TUN && device.Flags&netlink.TUNTAP_MULTI_QUEUE == 0:
		return adoptable, nil
	case device.Queues > 0:
		return absent, busyError(name)
	}
	return mismatched, nil
}

// Removable reports why Remove would refuse: ErrForeign, or ErrBusy with the process that has the interface open.
func Removable(name string) error {
	what, err := inspect(name)
	if err != nil || what == absent {
		return err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("tun: look up %s: %w", name, err)
	}
	if device, ok := link.(*netlink.Tuntap); ok && device.Queues > 0 || holder(name) != "" {
		return busyError(name)
	}
	return nil
}

// Remove deletes the interface name if it is ours; that it is absent is no error. It returns an error that wraps ErrForeign
// when it is not ours, and then leaves it alone.
func Remove(name string) error {
	what, err := inspect(name)
	if err != nil || what == absent {
		return err
	}
	return deleteLink(name)
}

func deleteLink(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) {
		return fmt.Errorf("tun: delete %s: %w", name, err)
	}
	return nil
}

// configure marks the interface as ours and sets what belongs to a TUN device. The alias comes first: an interface must not
// outlive us without it.
func configure(name string, mtu int) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("tun: look up %s: %w", name, err)
	}
	have := link.Attrs()
	if have.Alias != alias {
		if err := netlink.LinkSetAlias(link, alias); err != nil {
			return fmt.Errorf("tun: set alias of %s: %w", name, err)
		}
	}
	if have.MTU != mtu {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("tun: set MTU of %s to %d: %w", name, mtu, err)
		}
	}
	if have.TxQLen < queueLen {
		if err := netlink.LinkSetTxQLen(link, queueLen); err != nil {
			return fmt.Errorf("tun: set queue length of %s: %w", name, err)
		}
	}
	return nil
}
