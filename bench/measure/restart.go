package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/bench/report"
)

const (
	steady     = time.Second      // of the stream before and after the restart
	resumption = 40 * time.Second // for what was sent to arrive, when all is over: wireguard-go needs 15 s to notice, then TCP tries again at its own pace
)

// restart is how long a running TCP stream stands still when the router beside its receiver is restarted: the longest time
// between two arrivals at the receiver. A subject without a router has no reading.
type restart struct{}

func (restart) ID() string    { return "restart" }
func (restart) About() string { return "how long a TCP stream stands still when the router restarts" }

func (m restart) Metrics() []report.Metric {
	return []report.Metric{{ID: "restart-gap", Title: "Gap when the router restarts", Unit: "s", Better: report.Lower, Measure: m.ID()}}
}

// Limit lets the slowest restart end by itself: stopping and starting the router, and the stream's resumption.
func (restart) Limit() time.Duration { return 2*steady + 40*time.Second + resumption }

func (restart) Cost(Lengths) time.Duration { return 2*steady + 2*time.Second }

// Run returns when what the stream sent has arrived, so that the path is there again for what is measured next. When it does
// not arrive, "survived" is 0 and the value is the time for which the stream stood still before it was given up.
func (m restart) Run(ctx context.Context, t Target, _ Lengths) ([]Reading, error) {
	if t.Restart == nil {
		return nil, nil
	}
	far := farEnd(t)
	defer far.Close()
	stream, err := load.StartStream(ctx, t.From, far, load.StreamOptions{Settle: resumption})
	if err != nil {
		return nil, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	err = m.interrupt(ctx, t)
	result, lost := stream.Stop()
	if err := errors.Join(err, lost); err != nil {
		return nil, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	if !result.Survived && result.LongestGap < resumption {
		return nil, fmt.Errorf("measure: %s: the stream broke when the router restarted", m.ID())
	}
	detail := map[string]float64{"survived": 0}
	if result.Survived {
		detail["survived"] = 1
	}
	return []Reading{{Metric: "restart-gap", Value: result.LongestGap.Seconds(), Detail: detail}}, nil
}

// interrupt restarts the router in the middle of a steady stream.
func (restart) interrupt(ctx context.Context, t Target) error {
	if err := pause(ctx, steady); err != nil {
		return err
	}
	if err := t.Restart(ctx); err != nil {
		return err
	}
	return pause(ctx, steady)
}

// pause lets time pass, or returns why there is none.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
