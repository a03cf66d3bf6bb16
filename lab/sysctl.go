package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// setting is one file below /proc/sys/net and what to write into it.
type setting struct {
	path  string
	value string
}

// Address families differ in what a new namespace inherits, so everything that matters is set. `default` is what later
// interfaces start from; it is set before any is made.
var (
	// hostSettings make a namespace behave like a router host of a common distribution.
	hostSettings = []setting{
		{"ipv4/ip_forward", "1"},
		{"ipv4/conf/all/rp_filter", "0"}, // with default 2 this is what systemd sets
		{"ipv4/conf/default/rp_filter", "2"},
		{"ipv6/conf/all/forwarding", "1"},
		{"ipv6/conf/default/forwarding", "1"},
	}
	// podSettings make a namespace an end host.
	podSettings = []setting{
		{"ipv4/ip_forward", "0"},
		{"ipv4/conf/all/rp_filter", "0"},
		{"ipv4/conf/default/rp_filter", "0"},
	}
	// switchSettings keep the network stack of the switch out of what it carries.
	switchSettings = []setting{
		{"ipv4/ip_forward", "0"},
		{"ipv6/conf/all/disable_ipv6", "1"},
		{"ipv6/conf/default/disable_ipv6", "1"},
	}
	// quietSettings let IPv6 addresses be used at once and keep unasked packets off the wire.
	quietSettings = []setting{
		{"ipv6/conf/all/disable_ipv6", "0"},
		{"ipv6/conf/default/disable_ipv6", "0"},
		{"ipv6/conf/all/accept_dad", "0"},
		{"ipv6/conf/default/accept_dad", "0"},
		{"ipv6/conf/all/accept_ra", "0"},
		{"ipv6/conf/default/accept_ra", "0"},
		{"ipv6/conf/all/router_solicitations", "0"},
		{"ipv6/conf/default/router_solicitations", "0"},
	}
)

// apply writes settings in the calling thread's network namespace: /proc/sys/net shows that of whoever opens it.
// Settings of IPv6 are passed over on a kernel without it.
func apply(settings []setting) error {
	for _, s := range settings {
		err := os.WriteFile(filepath.Join("/proc/sys/net", s.path), []byte(s.value), 0)
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && !haveIPv6()) {
			return fmt.Errorf("set %s to %s: %w", s.path, s.value, err)
		}
	}
	return nil
}

// haveIPv6 reports whether the kernel has IPv6 in the calling thread's namespace.
func haveIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}
