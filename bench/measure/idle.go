package measure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weftnet/weft/bench/report"
)

// idle is what the routers use of the processor while nothing is sent, both together, in percent of one core. A subject
// without routers has no reading.
type idle struct{}

func (idle) ID() string    { return "idle" }
func (idle) About() string { return "processor time of the routers without traffic" }

func (m idle) Metrics() []report.Metric {
	return []report.Metric{{ID: "cpu-idle", Title: "CPU of both routers, idle", Unit: "% of a core", Better: report.Lower, Measure: m.ID()}}
}

func (idle) Cost(l Lengths) time.Duration { return idleLength(l) }

// idleLength is longer than that of other measures: what an idle router does comes a few times in a second.
func idleLength(l Lengths) time.Duration { return 2 * l.Latency }

func (m idle) Run(ctx context.Context, t Target, l Lengths) ([]Reading, error) {
	pids := routers(t)
	if len(pids) == 0 {
		return nil, nil
	}
	before, began, err := ran(pids)
	if err != nil {
		return nil, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	if err := pause(ctx, idleLength(l)); err != nil {
		return nil, err
	}
	after, ended, err := ran(pids)
	if err != nil {
		return nil, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	return []Reading{{Metric: "cpu-idle", Value: 100 * (after - before).Seconds() / ended.Sub(began).Seconds()}}, nil
}

// ran is how long the threads of the processes have been running on a processor, from /proc/PID/task/TID/schedstat: in
// nanoseconds, where the ticks of /proc/PID/stat are too coarse for a few milliseconds. See sched-stats in the kernel's
// documentation. The time of threads that ended is missing.
func ran(pids []int) (sum time.Duration, at time.Time, err error) {
	for _, pid := range pids {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(files) == 0 {
			return 0, at, fmt.Errorf("processor time of router %d: no schedstat: it has ended, or the kernel has no CONFIG_SCHED_INFO", pid)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if gone(err) {
				continue
			}
			if err != nil {
				return 0, at, fmt.Errorf("processor time of router %d: %w", pid, err)
			}
			first, _, _ := strings.Cut(string(raw), " ")
			nanoseconds, err := strconv.ParseInt(first, 10, 64)
			if err != nil {
				return 0, at, fmt.Errorf("processor time of router %d: %s: %w", pid, file, err)
			}
			sum += time.Duration(nanoseconds)
		}
	}
	return sum, time.Now(), nil
}
