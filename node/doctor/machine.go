package doctor

import (
	"errors"
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
		return one("tun", Fail, f.TUN.Error(), asRoot)
	}
	return mended("tun", Fail, f.TUN.Error(), "modprobe tun", " (in a container: give it the device /dev/net/tun)")
}

const asRoot = "run it as root: sudo weft doctor"

func checkPrivileges(f *Facts) []Check {
	switch {
	case f.Daemon != nil:
		return one("privileges", OK, "the daemon has CAP_NET_ADMIN", "")
	case f.Privileges != nil:
		return one("privileges", Fail, f.Privileges.Error(), asRoot)
	}
	return one("privileges", OK, "CAP_NET_ADMIN", "")
}
