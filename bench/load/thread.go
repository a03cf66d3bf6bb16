package load

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// locked calls fn on a thread that no other goroutine shares meanwhile, and whose timers are as exact as the kernel can: by
// default it may be 50 µs late to wake fewer times, PR_SET_TIMERSLACK(2const).
func locked(fn func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: the default
	fn()
}
