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
	lostAfter      = 200 * time.Millisecond // without an answer, a UDP request is lost, unless the options say otherwise
	stuckAfter     = 10 * time.Second       // without an answer, a TCP connection is broken
	defaultSize    = 64
	defaultSamples = 1 << 20
	maxTCPSize     = 1 << 16
	warmUp         = 50 // round trips that are not counted: routes, neighbours, caches
	warmUpShare    = 10 // of the series' time they take one part of so many at most
)

// LatencyOptions say how to measure.
type LatencyOptions struct {
	Proto      string        // TCP or UDP
	Size       int           // bytes of payload of request and answer; TCP 1 to 65536, UDP 16 to 65507; 0: 64
	Duration   time.Duration // of the series
	MaxSamples int           // the series ends after so many; 0: 1 048 576
	WarmUp     int           // round trips before the series, which end after a tenth of Duration; 0: 50; below 0: none
	LostAfter  time.Duration // without an answer for so long a UDP request is lost; 0: 200 ms
}

// LatencyResult sums up the requests of one series. The percentiles are exact, over all samples, by nearest rank. A lost
// request is a sample as well, of the time that was waited for its answer: a path that drops would otherwise look better
// than one that delays. So a percentile of LostAfter or more says "at least that".
type LatencyResult struct {
	Count          int // samples: round trips and lost requests
	P50, P99, P999 time.Duration
	Min, Max       time.Duration
	Lost           int // of Count: UDP requests without an answer in LostAfter
}

// Latency sends a request, waits for the answer, and sends the next: one is under way at a time (a closed loop). While the
// path stands still no further request is sent, so that a stall of any length is one sample: the percentiles are those of
// requests, not of the time. Both ends wait in blocking system calls on threads of their own, so that a round trip holds the
// wake-ups that any program would have and no more. A series without a single answer is an error.
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
	if o.WarmUp == 0 {
		o.WarmUp = warmUp
	}
	if o.LostAfter == 0 {
		o.LostAfter = lostAfter
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
	if o.LostAfter < time.Millisecond {
		return o, fmt.Errorf("load: latency: lost after %v: want 1 ms or more", o.LostAfter)
	}
	return o, nil
}

// pinger makes one round trip. false: the request was lost, after that time or more.
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
	go locked(func() { done <- s.run(ctx, p, o) })
	if err := <-done; err != nil {
		return result, n.failed(ctx, err)
	}
	if len(s.samples) == s.lost {
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
	return newUDPPinger(s, o.Size, n.token, o.LostAfter), release, nil
}

// series is the requests of one measurement.
type series struct {
	samples []time.Duration
	lost    int // of samples
}

// run warms up, and then makes round trips until the time is over or there is no room for a further sample. It allocates
// nothing.
func (s *series) run(ctx context.Context, p pinger, o LatencyOptions) error {
	warm := time.Now().Add(o.Duration / warmUpShare)
	for i := 0; i < o.WarmUp && time.Now().Before(warm); i++ {
		if _, _, err := p.ping(); err != nil {
			return err
		}
	}
	for end := time.Now().Add(o.Duration); len(s.samples) < cap(s.samples) && time.Now().Before(end); {
		took, ok, err := p.ping()
		if err != nil {
			return err
		}
		s.samples = append(s.samples, took)
		if !ok {
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
