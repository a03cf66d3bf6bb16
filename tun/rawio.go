package tun

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Raw system calls: they keep the processor of the Go scheduler (its P). That is right where a call cannot wait for anybody.
// A read of a non-blocking TUN queue only takes from a ring and copies. A write runs the network stack up to the socket of
// the receiver, in softirq context, where nothing can sleep: 10 to 50 us for a superpacket. It is work of ours, as if it were
// done in user space. unix.Syscall would offer the P to others meanwhile: sysmon takes it after 20 us, starts or wakes a
// thread for it, and at its return the lane stands in line for another.

// rawRead reads once into b, which must not be empty.
func rawRead(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

// rawWritev writes what iov says, at least one piece, in one call.
func rawWritev(fd int, iov []unix.Iovec) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(iov))), uintptr(len(iov)))
	return errno
}
