package measure

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/bench/report"
)

// loadMargin is how much longer the load runs than the series that it loads.
const loadMargin = time.Second

// roundTrips is the time from a small request to its answer, one under way at a time; loaded: while a TCP stream of iperf3
// takes what it gets in the direction of the requests.
type roundTrips struct {
	proto  string // load.TCP or load.UDP
	loaded bool
}

func (m roundTrips) ID() string {
	if m.loaded {
		return "rr-" + m.proto + "-load"
	}
	return "rr-" + m.proto
}

func (m roundTrips) About() string {
	about := fmt.Sprintf("time of a request and its answer over %s", strings.ToUpper(m.proto))
	if m.loaded {
		about += " while one TCP stream runs"
	}
	return about
}

func (m roundTrips) Metrics() []report.Metric {
	title := strings.ToUpper(m.proto) + " round trip"
	if m.loaded {
		title += " under load"
	}
	var metrics []report.Metric
	for _, p := range []struct{ id, title string }{{"p50", "p50"}, {"p99", "p99"}, {"p999", "p99.9"}} {
		metrics = append(metrics, report.Metric{
			ID: m.ID() + "-" + p.id, Title: title + ", " + p.title, Unit: "s", Better: report.Lower, Measure: m.ID(),
		})
	}
	return metrics
}

func (m roundTrips) Cost(l Lengths) time.Duration {
	if m.loaded {
		return m.load(l).length + iperfStart
	}
	return l.Latency
}

func (m roundTrips) load(l Lengths) iperf {
	return iperf{streams: 1, length: wholeSeconds(l.Latency + loadMargin)}
}

func (m roundTrips) needs() []string {
	if m.loaded {
		return []string{iperfProgram}
	}
	return nil
}

// Run measures one series. Below 1000 round trips p99.9 is the longest of them; "samples" tells how many there were.
func (m roundTrips) Run(ctx context.Context, t Target, l Lengths) ([]Reading, error) {
	if !m.loaded {
		r, err := m.series(ctx, t, l)
		return m.readings(r, nil, l.Latency), err
	}
	var r load.LatencyResult
	done, err := m.load(l).during(ctx, t, func(ctx context.Context) (err error) {
		r, err = m.series(ctx, t, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m.readings(r, &done, l.Latency), nil
}

func (m roundTrips) series(ctx context.Context, t Target, l Lengths) (load.LatencyResult, error) {
	far := farEnd(t)
	defer far.Close()
	r, err := load.Latency(ctx, t.From, far, load.LatencyOptions{Proto: m.proto, Duration: l.Latency})
	if err != nil {
		return r, fmt.Errorf("measure: %s: %w", m.ID(), err)
	}
	return r, nil
}

// tail is the length of a series from which it has a p99.9: of a shorter one it would rest on a handful of round trips.
const tail = time.Second

// readings are one for each metric, in their order; without the last for a series that was too short for it.
func (m roundTrips) readings(r load.LatencyResult, by *transfer, length time.Duration) []Reading {
	if r.Count == 0 {
		return nil
	}
	percentiles := []time.Duration{r.P50, r.P99, r.P999}
	if length < tail {
		percentiles = percentiles[:2]
	}
	var readings []Reading
	for i, d := range percentiles {
		detail := map[string]float64{"samples": float64(r.Count)}
		if m.proto == load.UDP {
			detail[DetailLost] = float64(r.Lost)
		}
		if by != nil {
			detail[DetailLoad], detail[DetailRetransmits] = by.rate(), float64(by.Retransmits)
		}
		readings = append(readings, Reading{Metric: m.Metrics()[i].ID, Value: d.Seconds(), Detail: detail})
	}
	return readings
}
