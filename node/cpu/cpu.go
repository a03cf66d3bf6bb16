// Package cpu says how much of the machine's processors this process may use: how many it may run on, and for how long.
package cpu

import (
	"fmt"
	"math"
	"os"
	"runtime"
)

// Share is what a process may use of the machine's CPUs.
type Share struct {
	CPUs  int     // that it may run on (sched_getaffinity), as of its start
	Quota float64 // CPU seconds in a second that its cgroups grant; 0: no limit, or none that is known
}

// Own is the share of this process.
func Own() Share {
	s := Share{CPUs: runtime.NumCPU(), Quota: quota(os.DirFS("/"))}
	if s.Quota >= float64(s.CPUs) { // it does not bind
		s.Quota = 0
	}
	return s
}

// Whole is how many CPUs the process can keep busy, a part of one counted as one.
func (s Share) Whole() int {
	if s.Quota == 0 {
		return s.CPUs
	}
	return min(s.CPUs, int(math.Ceil(s.Quota)))
}

// Spare reports whether the process may keep a CPU busy with waiting, and why. Where there is nothing to spare, that takes the
// CPU from whoever would end the wait, or uses up the quota.
func (s Share) Spare() (ok bool, why string) {
	switch {
	case s.CPUs < 2:
		return false, "there is one CPU, which whoever brings work needs"
	case s.Quota > 0:
		return false, fmt.Sprintf("a cgroup limits the CPU time to %.4g CPUs, which looks in vain would use up", s.Quota)
	}
	return true, fmt.Sprintf("%v and no quota", s)
}

// String is the share in words: "2 CPUs", "1 CPU", "8 CPUs, of which a cgroup grants 1.5".
func (s Share) String() string {
	text := fmt.Sprintf("%d CPUs", s.CPUs)
	if s.CPUs == 1 {
		text = "1 CPU"
	}
	if s.Quota > 0 {
		text += fmt.Sprintf(", of which a cgroup grants %.4g", s.Quota)
	}
	return text
}
