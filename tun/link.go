package tun

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// alias marks an interface as ours (ip link show: "alias weft").
const alias = "weft"

// DefaultQueueLen is the least txqueuelen unless it is configured, in packets. The kernel's 500 drop under bursts; a
// superpacket counts as one.
const DefaultQueueLen = 1000

// presence is what stands behind an interface name.
type presence int

const (
	absent     presence = iota
	adoptable           // ours, and of the kind that we make
	mismatched          // ours, but with flags that cannot be changed on a living interface
)

// inspect says what the interface name is to a driver that wants flags. It returns an error that wraps ErrForeign when it is
// not ours, and ErrBusy when it is known to be open. Of an interface with one queue only attach finds that out.
func inspect(name string, flags uint16) (presence, error) {
	device, err := lookUp(name)
	switch {
	case err != nil || device == nil:
		return absent, err
	case device.Queues > 0:
		return absent, busyError(name)
	case device.Mode == unix.IFF_TUN && uint16(device.Flags)&unix.IFF_MULTI_QUEUE == flags&unix.IFF_MULTI_QUEUE:
		return adoptable, nil
	}
	return mismatched, nil
}

// lookUp returns the interface name if it is ours, nil if it is absent, and else an error that wraps ErrForeign.
func lookUp(name string) (*netlink.Tuntap, error) {
	link, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tun: look up %s: %w", name, err)
	}
	device, ok := link.(*netlink.Tuntap)
	if !ok {
		return nil, fmt.Errorf("tun: %s is a %s interface, %w; choose another device name", name, link.Type(), ErrForeign)
	}
	if link.Attrs().Alias != alias {
		return nil, fmt.Errorf("tun: %s is a TUN device of somebody else, %w; choose another device name, or `ip link del %s`",
			name, ErrForeign, name)
	}
	return device, nil
}

// Removable reports why Remove would refuse: ErrForeign, or ErrBusy with the process that has the interface open.
func Removable(name string) error {
	device, err := lookUp(name)
	if err != nil || device == nil {
		return err
	}
	if device.Queues > 0 || holder(name) != "" {
		return busyError(name)
	}
	return nil
}

// Remove deletes the interface name if it is ours; that it is absent is no error. It returns an error that wraps ErrForeign
// when it is not ours, and then leaves it alone.
func Remove(name string) error {
	device, err := lookUp(name)
	if err != nil || device == nil {
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
func configure(o Options) error {
	link, err := netlink.LinkByName(o.Name)
	if err != nil {
		return fmt.Errorf("tun: look up %s: %w", o.Name, err)
	}
	have := link.Attrs()
	if have.Alias != alias {
		if err := netlink.LinkSetAlias(link, alias); err != nil {
			return fmt.Errorf("tun: set alias of %s: %w", o.Name, err)
		}
	}
	if have.MTU != o.MTU {
		if err := netlink.LinkSetMTU(link, o.MTU); err != nil {
			return fmt.Errorf("tun: set MTU of %s to %d: %w", o.Name, o.MTU, err)
		}
	}
	return setQueueLen(link, o.QueueLen)
}

// setQueueLen sets txqueuelen, or sees to it that it is at least the default. The kernel resizes the rings of all queues that
// are open (tun_queue_resize), and makes those of later ones as long (tun_attach).
func setQueueLen(link netlink.Link, want int) error {
	have := link.Attrs()
	if want == have.TxQLen || want == 0 && have.TxQLen >= DefaultQueueLen {
		return nil
	}
	if want == 0 {
		want = DefaultQueueLen
	}
	if err := netlink.LinkSetTxQLen(link, want); err != nil {
		return fmt.Errorf("tun: set queue length of %s to %d: %w", have.Name, want, err)
	}
	return nil
}
