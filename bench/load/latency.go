package load

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Protocols of a latency measurement.
const (
	TCP = "tcp"
	UDP = "udp"
)

const (
	lostAfter      = 200 * time.Millisecond // without an answer, a UDP request is lost
	stuckAfter     = 10 * time.Second       // without an answer, a TCP connection is broken
	defaultSize    = 64
	defaultSamples = 1 << 20
	maxTCPSize     = 1 << 16
	warmUp         = 50 // round trips that are not counted: routes, neighbours, caches
)

// LatencyOptions say how to measure.
type LatencyOptions struct {
	Proto      string        // TCP or UDP
	Size       int           // bytes of payload of request and answer; TCP 1 to 65536, UDP 16 to 65507; 0: 64
	Duration   time.Duration // of the series
	MaxSamples int           // the series ends after so many; 0: 1 048 576
}

// LatencyResult sums up the round trips of one series. The percentiles are exact, over all samples, by nearest rank.
type LatencyResult struct {
	Count          int // round trips
	P50, P99, P999 time.Duration
	Min, Max       time.Duration
	Lost           int // UDP requests without an answer in 200 ms; they are in no percentile
}

// Latency sends a request, waits for the answer, and sends the next: one is under way at a time. Both ends wait in blocking
// system calls on threads of their own, so that a round trip holds the wake-ups that any program would have and no more.
// A series without a single answer is an error.
func Latency(ctx context.Context, place Place, far Far, o LatencyOptions) (LatencyResult, error) {
	o, err := o.withDefaults()
	if err != nil {
		return LatencyResult{}, err
	}
	if o.Proto == TCP {
		return latency(ctx, place, far, EchoTCP, o)
	}
	return latency(ctx, place, far, EchoUDP, o)
}

func (o LatencyOptions) withDefaults() (LatencyOptions, error) {
	if o.Size == 0 {
		o.Size = defaultSize
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = defaultSamples
	}
	low, high := 1, maxTCPSize
	switch o.Proto {
	case TCP:
	case UDP:
		low, high = headLen, maxDatagram
	default:
		return o, fmt.Errorf("load: latency: unknown protocol %q: want %s or %s", o.Proto, TCP, UDP)
	}
	if o.Size < low || o.Size > high {
		return o, fmt.Errorf("load: latency over %s: size %d: want %d to %d", o.Proto, o.Size, low, high)
	}
	if o.Duration <= 0 || o.MaxSamples < 0 {
		return o, fmt.Errorf("load: latency: %v and %d samples: want more than none", o.Duration, o.MaxSamples)
	}
	return o, nil
}

// pinger makes one round trip. false: the request was lost.
type pinger interface {
	ping() (rtt time.Duration, ok bool, err error)
}

func latency(ctx context.Context, place Place, far Far, kind Kind, o LatencyOptions) (result LatencyResult, err error) {
	n, err := begin(ctx, "latency over "+o.Proto, place, far, kind, o.Duration)
	if err != nil {
		return result, err
	}
	defer func() { n.finish(ctx, &err) }()
	p, release, err := n.pinger(ctx, o)
	if err != nil {
		return result, err
	}
	defer release()
	s := series{samples: make([]time.Duration, 0, o.MaxSamples)}
	done := make(chan error, 1)
	go locked(func() { done <- s.run(ctx, p, o.Duration) })
	if err := <-done; err != nil {
		return result, n.failed(ctx, err)
	}
	if len(s.samples) == 0 {
		return result, n.failed(ctx, fmt.Errorf("%w: %d requests have no answer", ErrUnreachable, s.lost))
	}
	return s.result(), nil
}

// pinger makes the one for the protocol.
func (n *near) pinger(ctx context.Context, o LatencyOptions) (pinger, func(), error) {
	if o.Proto == TCP {
		s, release, err := n.dial(ctx)
		if err != nil {
			return nil, nil, err
		}
		return newTCPPinger(s, o.Size), release, nil
	}
	s, release, err := n.dialUDP(ctx)
	if err != nil {
		return nil, nil, err
	}
	return newUDPPinger(s, o.Size, n.token), release, nil
}

// series is the round trips of one measurement.
type series struct {
	samples []time.Duration
	lost    int
}

// run makes round trips until the time is over or there is no room for a further sample. It allocates nothing.
func (s *series) run(ctx context.Context, p pinger, d time.Duration) error {
	for range warmUp {
		if _, _, err := p.ping(); err != nil {
			return err
		}
	}
	for end := time.Now().Add(d); len(s.samples) < cap(s.samples) && time.Now().Before(end); {
		rtt, ok, err := p.ping()
		if err != nil {
			return err
		}
		if ok {
			s.samples = append(s.samples, rtt)
		} else {
			s.lost++
		}
	}
	return ctx.Err()
}

func (s *series) result() LatencyResult {
	slices.Sort(s.samples)
	return LatencyResult{
		Count: len(s.samples),
		P50:   percentile(s.samples, 0.5),
		P99:   percentile(s.samples, 0.99),
		P999:  percentile(s.samples, 0.999),
		Min:   s.samples[0],
		Max:   s.samples[len(s.samples)-1],
		Lost:  s.lost,
	}
}
