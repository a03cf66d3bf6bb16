package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/report"
)

type roundTrips struct {
	proto  string
	loaded bool
}

func (m roundTrips) ID() string {
	if m.loaded {
		return fmt.Sprintf("rr-%s-load", m.proto)
	}
	return "rr-" + m.proto
}
func (m roundTrips) About() string                { return "" }
func (m roundTrips) Metrics() []report.Metric     { return nil }
func (m roundTrips) Cost(l Lengths) time.Duration { return l.Bulk }
func (m roundTrips) Run(context.Context, Target, Lengths) ([]Reading, error) {
	return nil, errors.New("measure: not built yet")
}
