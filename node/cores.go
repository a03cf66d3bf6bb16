package node

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/weftnet/weft/node/cpu"
)

// spinRounds is how often, at most, a lane that found nothing looks again before it waits: about 200 us, in which a request
// gets its answer from the next host or two.
const spinRounds = 200

// spinFor is how often a lane of a process with that share looks again, and why.
func spinFor(share cpu.Share) (rounds int, why string) {
	spare, why := share.Spare()
	if !spare {
		return 0, why
	}
	return spinRounds, why
}

// controlThreads are those beside the lanes': one for control, mesh and commands, and one for the garbage collector.
const controlThreads = 2

// giveThreads lets Go run a thread for each lane and those of control at once: probes and gossip get through while all lanes
// are busy. GOMAXPROCS in the environment is the operator's word, and stays.
func giveThreads(lanes int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), lanes+controlThreads))
	}
}

// postponeCollection keeps the garbage collector still until resume is called. Packets wait for a start, in which the collector
// would take half of the time: it runs again and again while the lanes get their buffers, some MB each, and nothing is garbage.
func postponeCollection() (resume func()) {
	percent := debug.SetGCPercent(-1)
	return func() { debug.SetGCPercent(percent) }
}
