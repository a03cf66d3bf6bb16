package measure

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// processor is what all cores together have done since boot, in ticks.
type processor struct {
	busy  uint64 // working, in user space, the kernel and its interrupts
	steal uint64 // kept from us by the hypervisor
	total uint64 // all time, idle time included
}

func readProcessor() (processor, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return processor{}, fmt.Errorf("measure: processor time: %w", err)
	}
	p, err := parseProcessor(string(raw))
	if err != nil {
		return processor{}, fmt.Errorf("measure: processor time: /proc/stat: %w", err)
	}
	return p, nil
}

// parseProcessor reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq and steal, proc_stat(5).
// The guests' time behind them is part of user and nice.
func parseProcessor(text string) (processor, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return processor{}, fmt.Errorf("first line is %q, want cpu and at least 8 numbers", line)
	}
	var err error
	var n [8]uint64
	for i := range n {
		var e error
		n[i], e = strconv.ParseUint(fields[i+1], 10, 64)
		err = errors.Join(err, e)
	}
	user, nice, system, idle, iowait, irq, softirq, steal := n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]
	busy := user + nice + system + irq + softirq
	return processor{busy: busy, steal: steal, total: busy + steal + idle + iowait}, err
}

// since is what was done between two readings. The kernel may take some idle time back: then that part is none.
func (p processor) since(before processor) processor {
	return processor{
		busy: less(p.busy, before.busy), steal: less(p.steal, before.steal), total: less(p.total, before.total),
	}
}

// less is a-b, and never below 0.
func less(a, b uint64) uint64 {
	return a - min(a, b)
}
