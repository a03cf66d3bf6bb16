package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

// IDs of the processor's metrics.
const (
	cpuMachine = "cpu-machine"
	cpuRouter  = "cpu-router"
)

// iperfStart is about what starting and ending iperf3 takes.
const iperfStart = 100 * time.Millisecond

// bulk is the payload rate of TCP, by iperf3 with the kernel's own settings: one process at each end, which up to 3.15 has one
// thread for all streams. The rate is what the receivers took; beside it stand the segments that were sent again.
type bulk struct {
	streams int
	both    bool
	hosts   bool // between the hosts instead of the pods
	cpu     bool // also what it costs of the processor
}

func (m bulk) ID() string {
	switch {
	case m.both:
		return "tcp-both"
	case m.hosts:
		return fmt.Sprintf("tcp%d-host", m.streams)
	}
	return fmt.Sprintf("tcp%d", m.streams)
}

func (m bulk) About() string {
	switch {
	case m.both:
		return "payload rate of TCP with one stream in each direction at once"
	case m.hosts:
		return fmt.Sprintf("payload rate of TCP with %s between the hosts' own overlay addresses", plural(m.streams, "stream"))
	case m.cpu:
		return fmt.Sprintf("payload rate of TCP with %d streams, and its processor time per GB", m.streams)
	}
	return "payload rate of TCP with " + plural(m.streams, "stream")
}

func (m bulk) Metrics() []report.Metric {
	title := "TCP, " + plural(m.streams, "stream")
	switch {
	case m.both:
		title = "TCP, both directions at once"
	case m.hosts:
		title += ", host to host"
	}
	metrics := []report.Metric{{ID: m.ID(), Title: title, Unit: "bit/s", Better: report.Higher, Measure: m.ID()}}
	if m.cpu {
		metrics = append(metrics,
			report.Metric{ID: cpuMachine, Title: "CPU per GB, whole machine", Unit: "s/GB", Better: report.Lower, Measure: m.ID()},
			report.Metric{ID: cpuRouter, Title: "CPU per GB, routers", Unit: "s/GB", Better: report.Lower, Measure: m.ID()})
	}
	return metrics
}

func (m bulk) Cost(l Lengths) time.Duration { return wholeSeconds(l.Bulk) + iperfStart }

func (m bulk) needs() []string { return []string{iperfProgram} }

// Run makes one transfer. With cpu, a subject without routers gives no reading of the routers' share; with hosts, one whose
// hosts are measured anyway gives none at all.
func (m bulk) Run(ctx context.Context, t Target, l Lengths) ([]Reading, error) {
	if m.hosts {
		var some bool
		if t, some = t.betweenHosts(); !some {
			return nil, nil
		}
	}
	var before usage
	done, err := iperf{streams: m.streams, both: m.both, length: l.Bulk}.run(ctx, t, func() (err error) {
		before, err = m.use(t)
		return err
	})
	if err != nil {
		return nil, err
	}
	detail := map[string]float64{DetailRetransmits: float64(done.Retransmits)}
	if m.both {
		detail["up"], detail["down"] = done.Up, done.Down
	}
	readings := []Reading{{Metric: m.ID(), Value: done.rate(), Detail: detail}}
	if !m.cpu {
		return readings, nil
	}
	after, err := m.use(t)
	if err != nil {
		return nil, err
	}
	costs, err := after.perGB(before, done.Bytes)
	return append(readings, costs...), err
}

// use is the processor time so far, when it is asked for.
func (m bulk) use(t Target) (usage, error) {
	if !m.cpu {
		return usage{}, nil
	}
	return readUsage(routers(t))
}

func isCPU(m report.Metric) bool { return m.ID == cpuMachine }

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
