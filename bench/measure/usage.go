package measure

import (
	"errors"
	"fmt"
)

// errRestarted says that a figure of the routers would be that of other processes.
var errRestarted = errors.New("a router ended or was restarted meanwhile")

// usage is the processor time used up to one moment.
type usage struct {
	machine processor
	routers map[procID]uint64 // ticks
}

func readUsage(pids []int) (usage, error) {
	u := usage{routers: map[procID]uint64{}}
	for _, pid := range pids {
		p, err := readProc(pid)
		if err != nil {
			return u, fmt.Errorf("measure: processor time of a router: %w", err)
		}
		u.routers[p.procID] = p.own + p.children
	}
	var err error
	u.machine, err = readProcessor()
	return u, err
}

// perGB are the readings of the processor time per 1e9 bytes of payload, between before and u.
func (u usage) perGB(before usage, payload uint64) ([]Reading, error) {
	cost := func(ticks uint64) float64 {
		const bytesPerGB = 1e9
		return float64(ticks) * tick.Seconds() / (float64(payload) / bytesPerGB)
	}
	readings := []Reading{{Metric: cpuMachine, Value: cost(u.machine.since(before.machine).busy)}}
	if len(u.routers) == 0 && len(before.routers) == 0 {
		return readings, nil
	}
	var used uint64
	for id, ticks := range u.routers {
		was, known := before.routers[id]
		if !known || len(u.routers) != len(before.routers) {
			return nil, fmt.Errorf("measure: processor time of process %d: %w", id.pid, errRestarted)
		}
		used += less(ticks, was)
	}
	if len(u.routers) == 0 {
		return nil, fmt.Errorf("measure: processor time: %w", errRestarted)
	}
	return append(readings, Reading{Metric: cpuRouter, Value: cost(used)}), nil
}
