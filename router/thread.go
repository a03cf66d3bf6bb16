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
// without a detour through Go's scheduler. A thread with a policy that somebody chose (CPUSchedulingPolicy= of systemd) keeps
// it, and a kernel that does not know slices leaves the thread as it is.
func ownThread() {
	runtime.LockOSThread()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return
	}
	attr.Runtime = uint64(laneSlice)
	_ = unix.SchedSetAttr(0, attr, 0)
}
