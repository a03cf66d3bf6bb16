package inherit

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// CheckSocketNamespace reports whether a socket is in another network namespace than the calling thread. The kernel tells since
// Linux 4.10.
func CheckSocketNamespace(fd int) error { return checkNamespace(fd, unix.SIOCGSKNS) }

// CheckDeviceNamespace reports whether the interface of a TUN queue is in another network namespace than the calling thread.
// The kernel tells since Linux 5.2.
func CheckDeviceNamespace(fd int) error { return checkNamespace(fd, unix.TUNGETDEVNETNS) }

// checkNamespace compares our namespace with the one that a request of ioctl(2) opens.
func checkNamespace(fd int, request uintptr) error {
	ns, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, 0)
	if errno != 0 {
		return fmt.Errorf("its network namespace is not known (%w)", errno)
	}
	defer unix.Close(int(ns))
	var theirs, ours unix.Stat_t
	if err := errors.Join(unix.Fstat(int(ns), &theirs), unix.Stat("/proc/thread-self/ns/net", &ours)); err != nil {
		return fmt.Errorf("its network namespace is not known (%w)", err)
	}
	if theirs.Dev != ours.Dev || theirs.Ino != ours.Ino {
		return errors.New("it is in another network namespace")
	}
	return nil
}
