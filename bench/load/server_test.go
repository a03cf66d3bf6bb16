package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAConnectionWithoutTheTokenIsClosedAndNotCounted(t *testing.T) {
	s := testServer(t)
	for _, kind := range []Kind{SinkTCP, SourceTCP, EchoTCP, AcceptTCP} {
		r, _ := start(t, s, kind)
		c, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n > 0 || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %d bytes, %v; want a closed connection", kind, n, err)
		}
		c.Close()
		if got := tally(t, r); got != (Tally{}) {
			t.Errorf("%s: %+v is counted", kind, got)
		}
	}
}

func TestADatagramWithoutTheTokenIsNeitherCountedNorAnswered(t *testing.T) {
	s := testServer(t)
	for _, kind := range []Kind{SinkUDP, EchoUDP} {
		r, n := start(t, s, kind)
		c, release, err := n.dialUDP(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		good := make([]byte, headLen)
		putHead(good, n.token, 7)
		for _, b := range [][]byte{make([]byte, 64), good[:headLen-1], good} {
			if _, err := c.send(b); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "the last one arrives", func() bool { return tally(t, r).Datagrams > 0 })
		if got := tally(t, r); got.Datagrams != 1 || got.Highest != 8 || got.Bytes != headLen {
			t.Errorf("%s: %+v; want one datagram, number 7", kind, got)
		}
	}
}

func TestAJobEndsByItselfAfterItsTimeAndSaysSo(t *testing.T) {
	s := testServer(t)
	r, err := s.Start(soon(t), Job{Kind: SinkTCP, Within: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the job is over", func() bool { return s.Jobs() == 0 })
	if _, err := r.Tally(soon(t)); !errors.Is(err, ErrExpired) {
		t.Errorf("Tally: %v; want %v", err, ErrExpired)
	}
	if _, err := r.Finish(soon(t)); !errors.Is(err, ErrExpired) {
		t.Errorf("Finish: %v; want %v", err, ErrExpired)
	}
	if c, err := net.Dial("tcp", r.Addr().String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestFinishMayBeCalledAgain(t *testing.T) {
	r, _ := start(t, testServer(t), EchoUDP)
	for range 2 {
		if _, err := r.Finish(soon(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestAServerHasLimits(t *testing.T) {
	s := testLimited(t, ServerOptions{MaxWithin: time.Second, MaxJobs: 2})
	for name, j := range map[string]Job{
		"longer than allowed": {Kind: SinkTCP, Within: time.Second + 1},
		"negative":            {Kind: SinkTCP, Within: -1},
		"unknown kind":        {Kind: "sink-sctp"},
	} {
		if _, err := s.Start(soon(t), j); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for range 2 {
		r, err := s.Start(soon(t), Job{Kind: SinkUDP})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Finish(soon(t))
	}
	if _, err := s.Start(soon(t), Job{Kind: SinkUDP}); !errors.Is(err, ErrBusy) {
		t.Errorf("the third job: %v; want %v", err, ErrBusy)
	}
	_ = s.Close()
	if _, err := s.Start(soon(t), Job{Kind: SinkUDP}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v; want %v", err, ErrClosed)
	}
}

func TestCloseEndsJobsWithOpenConnections(t *testing.T) {
	s := testServer(t)
	for _, kind := range []Kind{SinkTCP, SourceTCP, EchoTCP, AcceptTCP} {
		r, n := start(t, s, kind)
		c, release, err := n.dial(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if kind != AcceptTCP { // it counts when it has answered
			await(t, "the connection is known", func() bool { return tally(t, r).Connections == 1 })
		}
		_ = s.Close()
		if _, err := r.Tally(soon(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v; want %v", kind, err, ErrClosed)
		}
		for err == nil { // until the end of what was under way
			var k int
			if k, err = c.recv(make([]byte, 1<<16)); k == 0 {
				break
			}
		}
		s.closed = false
	}
}

func TestASourceKeepsToItsRate(t *testing.T) {
	s := testLimited(t, ServerOptions{Throttle: NewThrottle(8_000_000)})
	r, err := Bulk(soon(t), Here{}, s, BulkOptions{Streams: 4, Duration: 300 * time.Millisecond, Direction: Down})
	if err != nil {
		t.Fatal(err)
	}
	if most := uint64(300_000 + 5*20_000); r.Bytes > most { // a chunk of 20 ms for each connection is sent ahead
		t.Errorf("%d bytes in 300 ms at 1 MB/s; want at most %d", r.Bytes, most)
	}
}

func TestTheJobsOfSeveralServersKeepToTheRateThatTheyShare(t *testing.T) {
	o := ServerOptions{Throttle: NewThrottle(8_000_000)}
	began := time.Now()
	results := make(chan uint64, 3)
	for range 2 {
		s := testLimited(t, o)
		go func() {
			r, err := Bulk(soon(t), Here{}, s, BulkOptions{Duration: 300 * time.Millisecond, Direction: Down})
			if err != nil {
				t.Error(err)
			}
			results <- r.Bytes
		}()
	}
	total := <-results + <-results
	if most := time.Since(began).Seconds()*1e6 + 3*20_000; float64(total) > most { // a chunk of 20 ms is sent ahead
		t.Errorf("%d bytes of two jobs in 300 ms at 1 MB/s; want at most %.0f", total, most)
	}
}

func TestEchosAreHeldBackToo(t *testing.T) {
	for _, proto := range []string{TCP, UDP} {
		s := testLimited(t, ServerOptions{Throttle: NewThrottle(8_000_000)}) // 1000 bytes in 1 ms
		r, err := Latency(soon(t), Here{}, s, LatencyOptions{Proto: proto, Size: 10_000, Duration: 20 * time.Second, MaxSamples: 5})
		if err != nil {
			t.Fatal(err)
		}
		if r.P50 < 5*time.Millisecond && r.Lost == 0 { // 10 ms each, less what was not used
			t.Errorf("%s: 10 kB at 1 MB/s come back in %v", proto, r.P50)
		}
	}
}

func TestThrottleSpreadsBytesOverTime(t *testing.T) {
	r := NewThrottle(8000) // 1000 bytes/s
	now := time.Now()
	for i, want := range []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond} {
		if got := r.take(100, now); got != want {
			t.Errorf("take %d = %v, want %v", i, got, want)
		}
	}
	if got := r.take(100, now.Add(time.Minute)); got != 0 {
		t.Errorf("after a pause: %v, want 0: what was not used is gone", got)
	}
	if got := r.chunk(1 << 20); got != 20 {
		t.Errorf("chunk = %d, want 20", got)
	}
	var none *Throttle
	if none.take(1<<30, now) != 0 || none.chunk(7) != 7 {
		t.Error("no throttle lets everything through")
	}
}

func TestAServerOnAllAddressesIsReachedByBothFamilies(t *testing.T) {
	s := NewServer(Here{}, netip.Addr{})
	defer s.Close()
	r, n := start(t, s, SinkUDP)
	for i, addr := range []string{"127.0.0.1", "::1"} {
		n.to = netip.AddrPortFrom(netip.MustParseAddr(addr), r.Addr().Port())
		if addr == "::1" && r.Addr().Addr().Is4() {
			t.Skip("no IPv6 on this machine")
		}
		c, release, err := n.dialUDP(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if _, err := newBlaster(c, n.token, 16).send(1); err != nil {
			t.Skipf("no %s on this machine: %v", addr, err)
		}
		await(t, "the datagram to "+addr, func() bool { return tally(t, r).Datagrams == uint64(i+1) })
	}
}

func TestAnAddressThatIsNotHereIsRefusedByName(t *testing.T) {
	for _, addr := range []string{"192.0.2.1", "fe80::1%lo"} {
		_, err := NewServer(Here{}, netip.MustParseAddr(addr)).Start(soon(t), Job{Kind: SinkTCP})
		if err == nil || !strings.Contains(err.Error(), "listen on "+addr) {
			t.Errorf("%s: error = %v", addr, err)
		}
	}
}
