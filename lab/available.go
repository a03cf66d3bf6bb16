package lab

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrUnavailable is the reason why a machine, or this user on it, can have no lab.
var ErrUnavailable = errors.New("network namespaces need root (CAP_SYS_ADMIN and CAP_NET_ADMIN)")

// Available says whether this process can make labs: nil, or the reason why not. Tests skip with it.
func Available() error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine, and the namespace with the thread
		result <- errors.Join(unix.Unshare(unix.CLONE_NEWNET), mayMount())
	}()
	err := <-result
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("lab: %w", ErrUnavailable)
	}
	if err != nil {
		return fmt.Errorf("lab: make a network namespace: %w", err)
	}
	return nil
}

// mayMount asks for a propagation that cannot be: the kernel checks the permission first, path_mount in fs/namespace.c, and
// then refuses the request itself with EINVAL.
func mayMount() error {
	err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_PRIVATE, "")
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
