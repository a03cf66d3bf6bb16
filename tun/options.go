package tun

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Options say which device to open.
type Options struct {
	Name   string // of the interface, 1 to 15 bytes
	Driver Driver // "" means auto
	MTU    int    // 68 to 65535; IPv6 needs 1280
}

const (
	minMTU = 68    // RFC 791
	maxMTU = 65535 // drivers/net/tun.c: MAX_MTU
)

func (o Options) validate() error {
	if o.Name == "" || len(o.Name) >= unix.IFNAMSIZ || o.Name == "." || o.Name == ".." {
		return fmt.Errorf("tun: %q is not an interface name: 1 to %d bytes", o.Name, unix.IFNAMSIZ-1)
	}
	// The kernel would read % as a pattern, and refuses the others (dev_valid_name).
	if strings.ContainsFunc(o.Name, func(r rune) bool { return r <= ' ' || r == '/' || r == ':' || r == '%' || r >= 0x7f }) {
		return fmt.Errorf("tun: %q is not an interface name: it has a character that is not allowed", o.Name)
	}
	if o.MTU < minMTU || o.MTU > maxMTU {
		return fmt.Errorf("tun: MTU %d of %s is not between %d and %d", o.MTU, o.Name, minMTU, maxMTU)
	}
	switch o.Driver {
	case "", DriverAuto, DriverPlain, DriverBatch, DriverSuper:
		return nil
	}
	return fmt.Errorf("tun: driver %q is not one of auto, super, batch, plain", o.Driver)
}
