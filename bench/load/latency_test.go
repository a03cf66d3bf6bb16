package load

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestLatencyCountsRoundTripsOfBothProtocols(t *testing.T) {
	s := testServer(t)
	for _, proto := range []string{TCP, UDP} {
		for _, size := range []int{0, 16, 1400} {
			r, err := Latency(soon(t), Here{}, s, LatencyOptions{Proto: proto, Size: size, Duration: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if r.Count < 1 || r.Min <= 0 || r.Min > r.P50 || r.P50 > r.P99 || r.P99 > r.P999 || r.P999 > r.Max {
				t.Errorf("%s of %d bytes: %+v", proto, size, r)
			}
		}
	}
}

func TestLatencyEndsAfterMaxSamples(t *testing.T) {
	r, err := Latency(soon(t), Here{}, testServer(t), LatencyOptions{Proto: UDP, Duration: 20 * time.Second, MaxSamples: 10})
	if err != nil || r.Count != 10 {
		t.Errorf("%+v, %v; want 10 samples", r, err)
	}
}

func TestUDPRequestsWithoutAnAnswerAreLostAndLateAnswersAreNotTaken(t *testing.T) {
	n := 0
	var late []byte
	far := relayed{Far: testServer(t), forward: func(b []byte, out func([]byte)) {
		switch n++; n {
		case 2: // held back until the next request comes, whose answer it must not be
			late = append(late, b...)
		case 3:
			out(late)
			out(b)
		case 5: // never answered
		default:
			out(b)
		}
	}}
	r, err := Latency(soon(t), Here{}, far, LatencyOptions{Proto: UDP, Duration: 20 * time.Second, MaxSamples: 8, WarmUp: -1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Count != 8 || r.Lost < 2 || n != 8 {
		t.Errorf("%+v of %d requests; want 8 samples, of which at least 2 were lost", r, n)
	}
}

func TestALostRequestIsASampleOfAtLeastTheTimeThatWasWaited(t *testing.T) {
	n := 0
	far := relayed{Far: testServer(t), forward: func(b []byte, out func([]byte)) {
		if n++; n%2 == 0 {
			out(b)
		}
	}}
	const wait = 300 * time.Millisecond
	r, err := Latency(soon(t), Here{}, far, LatencyOptions{
		Proto: UDP, Duration: 20 * time.Second, MaxSamples: 4, WarmUp: -1, LostAfter: wait,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Count != 4 || r.Lost < 2 || r.P99 < wait || r.P999 < wait || r.Max < wait {
		t.Errorf("%+v; want every other request lost, and seen in the percentiles as %v or more", r, wait)
	}
}

// slow is a pinger of a path with that round trip.
type slow struct {
	rtt time.Duration
	n   int
}

func (p *slow) ping() (time.Duration, bool, error) {
	p.n++
	time.Sleep(p.rtt)
	return p.rtt, true, nil
}

func TestTheWarmUpEndsAfterATenthOfTheTimeAndMayBeNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			rtt    time.Duration
			warmUp int
			want   int // round trips that are not counted
		}{
			{time.Millisecond, warmUp, 50},
			{300 * time.Millisecond, warmUp, 1},
			{20 * time.Millisecond, warmUp, 5},
			{time.Millisecond, 3, 3},
			{time.Millisecond, -1, 0},
		} {
			p := &slow{rtt: c.rtt}
			s := series{samples: make([]time.Duration, 0, 1)}
			if err := s.run(t.Context(), p, LatencyOptions{Duration: time.Second, WarmUp: c.warmUp}); err != nil || p.n != c.want+1 {
				t.Errorf("%+v: %d round trips before the one that counts, %v", c, p.n-1, err)
			}
		}
	})
}

func TestLatencyWithoutAnyAnswerIsAnErrorThatNamesBothEnds(t *testing.T) {
	far := relayed{Far: testServer(t), forward: func([]byte, func([]byte)) {}}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := Latency(ctx, Here{}, far, LatencyOptions{Proto: UDP, Duration: time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "latency over udp from this host to 127.0.0.1:") {
		t.Errorf("error = %v", err)
	}
}

func TestLatencyRefusesWhatItCannotMeasure(t *testing.T) {
	s := testServer(t)
	for name, o := range map[string]LatencyOptions{
		"protocol":     {Proto: "sctp", Duration: time.Second},
		"small":        {Proto: UDP, Size: 15, Duration: time.Second},
		"large":        {Proto: TCP, Size: 1<<16 + 1, Duration: time.Second},
		"no time":      {Proto: TCP},
		"less samples": {Proto: TCP, Duration: time.Second, MaxSamples: -1},
		"no wait":      {Proto: UDP, Duration: time.Second, LostAfter: time.Microsecond},
	} {
		if _, err := Latency(soon(t), Here{}, s, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	thousand := make([]time.Duration, 1000)
	for i := range thousand {
		thousand[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 0.5, 0},
		{hundred[:1], 0.999, 1},
		{hundred[:2], 0.5, 1},
		{hundred[:3], 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 0.999, 100},
		{hundred, 1, 100},
		{hundred, 0, 1},
		{thousand, 0.999, 999},
		{thousand, 0.99, 990},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile(%d values, %v) = %d, want %d", len(c.sorted), c.p, got, c.want)
		}
	}
}

func TestTheWholePathAllocatesNothingInARoundTrip(t *testing.T) {
	s := testServer(t)
	for kind, proto := range map[Kind]string{EchoTCP: TCP, EchoUDP: UDP} {
		_, n := start(t, s, kind)
		p, release, err := n.pinger(soon(t), LatencyOptions{Proto: proto, Size: 64, LostAfter: lostAfter})
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		allocs := testing.AllocsPerRun(200, func() { _, _, err = p.ping() })
		if err != nil || allocs >= 1 {
			t.Errorf("%s: %v allocations for each round trip, %v", proto, allocs, err)
		}
	}
}

func TestAPlaceThatCannotBeEnteredIsAnError(t *testing.T) {
	s := NewServer(brokenPlace{}, netip.Addr{})
	if _, err := s.Start(soon(t), Job{Kind: EchoUDP}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("error = %v", err)
	}
	if _, err := Latency(soon(t), brokenPlace{}, testServer(t), LatencyOptions{Proto: TCP, Duration: 1}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("error = %v", err)
	}
}

type brokenPlace struct{}

func (brokenPlace) Do(func() error) error { return unix.ENOENT }
