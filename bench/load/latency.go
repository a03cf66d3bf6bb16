package load

import (
	"context"
	"errors"
	"time"
)

// Protocols of a latency measurement.
const (
	TCP = "tcp"
	UDP = "udp"
)

// LatencyOptions say how to measure.
type LatencyOptions struct {
	Proto      string        // TCP or UDP
	Size       int           // bytes of payload of request and answer; TCP 1 to 65536, UDP 16 to 65507; 0: 64
	Duration   time.Duration // of the series
	MaxSamples int           // the series ends after so many; 0: 1 048 576
}

// LatencyResult sums up the round trips of one series.
type LatencyResult struct {
	Count          int // round trips
	P50, P99, P999 time.Duration
	Min, Max       time.Duration
	Lost           int // UDP requests without an answer in 200 ms; they are in no percentile
}

// Latency measures round trips.
func Latency(ctx context.Context, place Place, far Far, o LatencyOptions) (LatencyResult, error) {
	return LatencyResult{}, errors.ErrUnsupported
}
