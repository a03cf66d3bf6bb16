package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/bench/report"
)

// pathMTU is the largest packet that really passes there and back in one piece, up to the MTU of the interfaces. It provokes
// packets that are refused (IpFragFails).
type pathMTU struct{}

func (pathMTU) ID() string    { return "mtu" }
func (pathMTU) About() string { return "largest packet that passes in one piece" }

func (m pathMTU) Metrics() []report.Metric {
	return []report.Metric{{ID: m.ID(), Title: "MTU", Unit: "bytes", Better: report.Higher, Measure: m.ID()}}
}

func (pathMTU) Cost(Lengths) time.Duration { return time.Second }

func (m pathMTU) Run(ctx context.Context, t Target, _ Lengths) ([]Reading, error) {
	far := farEnd(t)
	defer far.Close()
	mtu, err := load.PathMTU(ctx, t.From, far, t.MTU)
	if err != nil {
		return nil, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	return []Reading{{Metric: m.ID(), Value: float64(mtu)}}, nil
}
