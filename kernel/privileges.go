package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrPrivileges says that the process may not change the network.
var ErrPrivileges = errors.New("not permitted: weft needs root, or the capability CAP_NET_ADMIN (run it with sudo, or as a service)")

// CheckPrivileges looks for CAP_NET_ADMIN among the effective capabilities.
func CheckPrivileges() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("kernel: read capabilities: %w", err)
	}
	if data[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return ErrPrivileges
	}
	return nil
}
