package doctor

import (
	"errors"
	"fmt"
	"io/fs"
)

// Checks of what weft cannot run without.

func checkKernel(f *Facts) []Check { return one("kernel", OK, "Linux "+f.Kernel, "") }

func checkTUN(f *Facts) []Check {
	switch {
	case f.TUN == nil:
		return one("tun", OK, "/dev/net/tun can be opened", "")
	case f.Daemon != nil:
		return one("tun", OK, "the daemon has a device open", "")
	case errors.Is(f.TUN, fs.ErrPermission):
		return one("tun", Fail, f.TUN.Error(), "run it as root: sudo weft doctor")
	}
	return one("tun", Fail, f.TUN.Error(), "modprobe tun (in a container: give it the device /dev/net/tun)")
}

func checkPrivileges(f *Facts) []Check {
	switch {
	case f.Daemon != nil:
		return one("privileges", OK, "the daemon has CAP_NET_ADMIN", "")
	case f.Privileges != nil:
		return one("privileges", Fail, f.Privileges.Error(), "run it as root: sudo weft doctor")
	}
	return one("privileges", OK, "CAP_NET_ADMIN", "")
}

// leastUnderlay is what an overlay MTU of 1280, which IPv6 needs, takes on the underlay: 80 bytes more, sealed over IPv6.
const leastUnderlay = 1280 + 80

func checkEgress(f *Facts) []Check {
	e := f.Egress
	switch {
	case f.EgressErr != nil:
		return one("egress", Warn, f.EgressErr.Error(), "ip route add default via GATEWAY (or name the host's address in advertise)")
	case e.MTU < leastUnderlay:
		return one("egress", Warn, fmt.Sprintf("the MTU of %s, %d, is too small for IPv6 in the overlay: %d is enough", e.Interface, e.MTU, leastUnderlay),
			fmt.Sprintf("ip link set dev %s mtu 1500", e.Interface))
	}
	return one("egress", OK, fmt.Sprintf("%v by %s, MTU %d", e.Source, e.Interface, e.MTU), "")
}
