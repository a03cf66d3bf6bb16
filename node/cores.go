package node

import (
	"fmt"
	"os"
	"runtime"

	"github.com/weftnet/weft/node/cpu"
)

// spinRounds is how often, at most, a lane that found nothing looks again before it waits.
const spinRounds = 50

// spinFor is how often a lane of a process with that share looks again, and why. Where there is nothing to spare, a look
// takes the CPU from whoever would bring the work, or uses up the quota.
func spinFor(share cpu.Share) (rounds int, why string) {
	switch {
	case share.CPUs < 2:
		return 0, "there is one CPU, which whoever brings work needs"
	case share.Quota > 0:
		return 0, fmt.Sprintf("a cgroup limits the CPU time to %.4g CPUs, which looks in vain would use up", share.Quota)
	}
	return spinRounds, fmt.Sprintf("%d CPUs and no quota", share.CPUs)
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
