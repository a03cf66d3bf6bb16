package bench

import (
	"runtime"
	"runtime/debug"
)

// measuringThreads is how many goroutines can be inside a system call that blocks without Go's scheduler having to notice and
// to make room: the generators' workers, at both ends, and a few more.
const measuringThreads = 32

// quiet keeps Go's own work out of what this process measures, until restore is called: garbage is collected now and not
// meanwhile, and no generator waits for another one's processor slot.
func quiet() (restore func()) {
	runtime.GC()
	percent := debug.SetGCPercent(-1)
	threads := runtime.GOMAXPROCS(max(measuringThreads, runtime.NumCPU()))
	return func() {
		runtime.GOMAXPROCS(threads)
		debug.SetGCPercent(percent)
	}
}
