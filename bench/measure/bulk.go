package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

type bulk struct {
	streams   int
	both, cpu bool
}

func (m bulk) ID() string {
	if m.both {
		return "tcp-both"
	}
	return fmt.Sprintf("tcp%d", m.streams)
}
func (m bulk) About() string                { return "" }
func (m bulk) Metrics() []report.Metric     { return nil }
func (m bulk) Cost(l Lengths) time.Duration { return l.Bulk }
func (m bulk) Run(context.Context, Target, Lengths) ([]Reading, error) {
	return nil, errors.New("measure: not built yet")
}
func isCPU(m report.Metric) bool { return m.ID == "cpu-machine" }
