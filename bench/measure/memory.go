package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weftnet/weft/bench/report"
)

// memoryStreams are those in each direction that run while the peak is watched, whatever else was measured before.
const memoryStreams = 4

// memory is the peak of the memory that the routers keep resident (VmHWM), both together. A round asks for it after all
// measures that carry traffic, and each time the kernel is told to begin anew, so that it is the peak of the whole round of the
// subject, and in the first round, since the routers' start. So that it is a figure of routers at work in any case, it
// makes a transfer of its own in both directions first. A subject without routers has no reading.
type memory struct{}

func (memory) ID() string    { return "memory" }
func (memory) About() string { return "peak of the routers' resident memory over a round" }

func (m memory) Metrics() []report.Metric {
	return []report.Metric{{ID: "rss-peak", Title: "Memory of both routers, peak", Unit: "bytes", Better: report.Lower, Measure: m.ID()}}
}

func (m memory) Cost(l Lengths) time.Duration { return wholeSeconds(m.length(l)) + iperfStart }

// length is shorter than that of other transfers: memory grows in the first instants.
func (memory) length(l Lengths) time.Duration { return l.Bulk / 2 }

func (memory) needs() []string { return []string{iperfProgram} }

func (m memory) Run(ctx context.Context, t Target, l Lengths) ([]Reading, error) {
	if len(routers(t)) == 0 {
		return nil, nil
	}
	if _, err := (iperf{streams: memoryStreams, both: true, length: m.length(l)}).run(ctx, t, nil); err != nil {
		return nil, err
	}
	var peak, now, largest uint64
	for _, pid := range routers(t) {
		p, n, err := resident(pid)
		if err != nil {
			return nil, fmt.Errorf("measure: memory of router %d: %w", pid, err)
		}
		peak += p
		largest = max(largest, p)
		now += n
		if err := forgetPeak(pid); err != nil {
			return nil, fmt.Errorf("measure: memory of router %d: %w", pid, err)
		}
	}
	return []Reading{{Metric: "rss-peak", Value: float64(peak), Detail: map[string]float64{
		"rss": float64(now), "largest": float64(largest),
	}}}, nil
}

// resident is how many bytes of a process are and were at most in memory.
func resident(pid int) (peak, now uint64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	return parseResident(string(raw))
}

// parseResident reads VmHWM and VmRSS of /proc/PID/status, proc_pid_status(5), in KiB there. A process that has ended and was
// not waited for has none.
func parseResident(text string) (peak, now uint64, err error) {
	values := map[string]uint64{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); (name == "VmHWM" || name == "VmRSS") && len(fields) > 0 {
			n, e := strconv.ParseUint(fields[0], 10, 64)
			err = errors.Join(err, e)
			values[name] = n << 10
		}
	}
	if err == nil && len(values) != 2 {
		err = errors.New("no VmHWM and VmRSS in its status: it has ended")
	}
	return values["VmHWM"], values["VmRSS"], err
}

// forgetPeak makes the present size the peak: value 5 of /proc/PID/clear_refs (Linux 4.0), proc_pid_clear_refs(5).
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
