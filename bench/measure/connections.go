package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/bench/report"
)

// connections is how many TCP connections can be opened, used for one byte each way, and closed.
type connections struct{}

func (connections) ID() string    { return "conns" }
func (connections) About() string { return "TCP connections opened, used and closed per second" }

func (m connections) Metrics() []report.Metric {
	return []report.Metric{{ID: m.ID(), Title: "TCP connections", Unit: "1/s", Better: report.Higher, Measure: m.ID()}}
}

func (connections) Cost(l Lengths) time.Duration { return l.Connect }

func (m connections) Run(ctx context.Context, t Target, l Lengths) ([]Reading, error) {
	far := farEnd(t)
	defer far.Close()
	r, err := load.Connections(ctx, t.From, far, load.ConnectionsOptions{Duration: l.Connect})
	if err != nil {
		return nil, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	return []Reading{{Metric: m.ID(), Value: r.PerSecond, Detail: map[string]float64{"failed": float64(r.Failed)}}}, nil
}
