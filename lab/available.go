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
		result <- unix.Unshare(unix.CLONE_NEWNET)
	}()
	err := <-result
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("lab: %w", ErrUnavailable)
	}
	if err != nil {
		return fmt.Errorf("lab: make a network namespace: %w", err)
	}
	return nil
}
