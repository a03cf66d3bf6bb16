package router

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// laneSlice is the time slice that a lane's thread asks for: the least that the kernel grants. A lane works for some
// microseconds at a time and gives the core away in between; with the usual slice of 3 ms each sched_yield would put it
// that far behind the others (EEVDF, Linux 6.12).
const laneSlice = 100 * time.Microsecond

// ownThread ties the calling goroutine to a thread and makes that a lane's: it is woken and scheduled as the kernel does it,
// without a detour through Go's scheduler. A kernel that does not know slices leaves the thread as it is.
func ownThread() {
	runtime.LockOSThread()
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Runtime: uint64(laneSlice)}
	if nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil {
		attr.Nice = int32(20 - nice) // getpriority(2): the system call returns 20 - nice
	}
	_ = unix.SchedSetAttr(0, &attr, 0)
}
