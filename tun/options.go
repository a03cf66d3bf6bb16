package tun

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Options say which device to open.
type Options struct {
	Name   string // of the interface, 1 to 15 bytes
	Driver Driver // "" means auto
	MTU    int    // 68 to 65535; IPv6 needs 1280
	// Queues is how many queues the device has, 1 to 256; 0 means 1. Only driver super has several: where auto has to take
	// another one, there is one queue.
	Queues int
	// QueueLen is how many packets wait in a queue at most before the kernel drops: the interface's txqueuelen, up to 65536.
	// A superpacket counts as one. 0 means at least 1000: what somebody has set higher stays.
	QueueLen int
	// Offloads says what is left to the kernel.
	Offloads OffloadKnobs
	// Inherited are the descriptors of the device's queues that an earlier process left open, all of them, in their order:
	// Inheritable.Descriptors. Open takes them over, also when it fails. Packets that wait in the queues are read.
	Inherited []*os.File
}

const (
	minMTU      = 68      // RFC 791
	maxMTU      = 65535   // drivers/net/tun.c: MAX_MTU
	maxQueues   = 256     // drivers/net/tun.c: MAX_TAP_QUEUES
	maxQueueLen = 1 << 16 // 512 KiB of kernel memory for each queue
)

func (o Options) validate() error {
	if o.Name == "" || len(o.Name) >= unix.IFNAMSIZ || o.Name == "." || o.Name == ".." {
		return fmt.Errorf("tun: %q is not an interface name: 1 to %d bytes", o.Name, unix.IFNAMSIZ-1)
	}
	// The kernel would read % as a pattern, and refuses the others (dev_valid_name).
	if strings.ContainsFunc(o.Name, func(r rune) bool { return r <= ' ' || r == '/' || r == ':' || r == '%' || r >= 0x7f }) {
		return fmt.Errorf("tun: %q is not an interface name: it has a character that is not allowed", o.Name)
	}
	switch o.Driver {
	case "", DriverAuto, DriverPlain, DriverBatch, DriverSuper:
	default:
		return fmt.Errorf("tun: driver %q is not one of auto, super, batch, plain", o.Driver)
	}
	if err := o.validateNumbers(); err != nil {
		return err
	}
	return o.Offloads.validate()
}

func (o Options) validateNumbers() error {
	switch {
	case o.MTU < minMTU || o.MTU > maxMTU:
		return fmt.Errorf("tun: MTU %d of %s is not between %d and %d", o.MTU, o.Name, minMTU, maxMTU)
	case o.Queues < 0 || o.Queues > maxQueues:
		return fmt.Errorf("tun: %d queues of %s are not between 1 and %d", o.Queues, o.Name, maxQueues)
	case o.Queues > 1 && (o.Driver == DriverPlain || o.Driver == DriverBatch):
		return fmt.Errorf("tun: driver %s cannot have %d queues; driver super can", o.Driver, o.Queues)
	case o.QueueLen < 0 || o.QueueLen > maxQueueLen:
		return fmt.Errorf("tun: queue length %d of %s is not between 1 and %d", o.QueueLen, o.Name, maxQueueLen)
	}
	return nil
}

// flags are those of the interface, as a driver wants them (IFF_*).
func (o Options) flags(driver Driver) uint16 {
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if driver != DriverPlain {
		flags |= unix.IFF_VNET_HDR
	}
	if o.queues(driver) > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	return flags
}

// queues is how many queues the device has with the driver.
func (o Options) queues(driver Driver) int {
	if driver != DriverSuper {
		return 1
	}
	return max(1, o.Queues)
}
