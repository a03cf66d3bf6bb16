package between

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/load"
)

// patience bounds every wait for something that takes no time. It is no measure of speed.
const patience = 30 * time.Second

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// lines is a writer that tests wait on.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{}, 1)} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the text has the words.
func (l *lines) await(t *testing.T, words string) {
	t.Helper()
	timeout := time.After(patience)
	for !strings.Contains(l.String(), words) {
		select {
		case <-l.more:
		case <-timeout:
			t.Fatalf("%q does not come: %s", words, l)
		}
	}
}

// running is a server on loopback for one test.
type running struct {
	address netip.AddrPort
	out     *lines
	stop    func() // ends it and waits
}

// start runs a server until the end of the test. Options other than Listen and Out are the caller's.
func start(t *testing.T, o ServeOptions, change ...func(*server)) *running {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	out := newLines()
	o.Out = out
	ctx, cancel := context.WithCancel(t.Context())
	s, err := listen(ctx, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	for _, f := range change {
		f(s)
	}
	done := make(chan error, 1)
	go func() { done <- s.serve(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return &running{netip.MustParseAddrPort(s.listener.Addr().String()), out, stop}
}

func dialTest(t *testing.T, address netip.AddrPort) *client {
	t.Helper()
	c, err := dial(t.Context(), address, "here")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestARunOverLoopbackGivesEveryFigureOfTheOnePath(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	out := newLines()
	r, err := Run(t.Context(), Options{Address: s.address.String(), Duration: 100 * time.Millisecond, Rounds: 1, Out: out})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Paths) != 1 || r.Paths[0].Name != Direct || r.Paths[0].Device != "lo" || !r.Complete || r.Schema != Schema {
		t.Errorf("report of %+v, complete %v, schema %s", r.Paths, r.Complete, r.Schema)
	}
	for _, row := range r.Rows {
		// On a machine that is busy with something else, no rate of datagrams may come through whole, and few round trips.
		if row.Stats == nil && !strings.HasPrefix(row.Metric, "udp") && !strings.HasSuffix(row.Metric, tailSuffix) {
			t.Errorf("%s has no figure: %+v", row.Metric, row.Rounds)
		}
	}
	if mtu := r.row(Direct, "mtu").Stats; mtu == nil || mtu.Median != 65535 && mtu.Median != float64(r.Paths[0].MTU) {
		t.Errorf("the path MTU of loopback is %+v", mtu)
	}
	if !strings.Contains(out.String(), "round 1/1") {
		t.Errorf("progress: %q", out)
	}
	s.out.await(t, "done after")
}

func TestWhoIsNotAllowedIsClosedWithoutAWordCountedAndSaidOnce(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	for range 3 {
		conn, err := net.Dial("tcp", s.address.String())
		if errors.Is(err, syscall.ECONNRESET) {
			continue // closed before the dialer looked
		}
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a stranger reads %d bytes, %v", n, err)
		}
		conn.Close()
	}
	_, err := Run(t.Context(), Options{Address: s.address.String()})
	if err == nil || !strings.Contains(err.Error(), "--allow") {
		t.Errorf("a stranger's run ends with %v", err)
	}
	s.stop()
	if text := s.out.String(); strings.Count(text, "refused 127.0.0.1") != 1 || !strings.Contains(text, "4 connections refused") {
		t.Errorf("the server says %s", text)
	}
}

func TestASecondClientIsToldThatAnotherMeasures(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	first := dialTest(t, s.address)
	_, err := dial(t.Context(), s.address, "second")
	if ended := new(EndedError); !errors.As(err, &ended) || !strings.Contains(ended.Reason, "another client") {
		t.Errorf("the second client gets %v", err)
	}
	first.Close()
	s.out.await(t, "done after")
	dialTest(t, s.address)
}

func TestAClientThatVanishesLeavesNothingBehind(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	c := dialTest(t, s.address)
	var jobs []load.Remote
	for _, kind := range []load.Kind{load.SinkTCP, load.EchoTCP} {
		job, err := far{c, s.address.Addr()}.Start(t.Context(), load.Job{Kind: kind, Within: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job)
	}
	hangUp(c.conn)
	s.out.await(t, "after")
	for _, job := range jobs {
		if conn, err := net.Dial("tcp", job.Addr().String()); err == nil {
			conn.Close()
			t.Errorf("%s still takes connections", job.Addr())
		}
	}
	dialTest(t, s.address)
}

func TestARunThatTakesTooLongIsEndedWithTheReason(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}, MaxTime: time.Second})
	c := dialTest(t, s.address)
	select {
	case <-c.gone:
	case <-time.After(patience):
		t.Fatal("the server lets the run go on")
	}
	if ended := new(EndedError); !errors.As(c.err(), &ended) || !strings.Contains(ended.Reason, "runs of 1s") {
		t.Errorf("the run ends with %v", c.err())
	}
}

func TestARunThatWouldTakeTooLongIsRefusedBeforeItBegins(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}, MaxTime: 10 * time.Second})
	r, err := Run(t.Context(), Options{Address: s.address.String(), Rounds: 100})
	if r != nil || err == nil || !strings.Contains(err.Error(), "fewer rounds") {
		t.Errorf("a run of 100 rounds: %v, %v", r, err)
	}
}

func TestAServerThatStopsSaysSoToItsClient(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	c := dialTest(t, s.address)
	s.stop()
	<-c.gone
	if ended := new(EndedError); !errors.As(c.err(), &ended) || !strings.Contains(ended.Reason, "stopped") {
		t.Errorf("the run ends with %v", c.err())
	}
	if !strings.Contains(s.out.String(), "1 run served") {
		t.Errorf("the server says %s", s.out)
	}
}

func TestAnInterruptedRunReturnsWhatItHas(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := Run(ctx, Options{Address: s.address.String(), Duration: 100 * time.Millisecond, Rounds: 20, Out: writer(func(b []byte) (int, error) {
		cancel()
		return len(b), nil
	})})
	if !errors.Is(err, context.Canceled) || r == nil || r.Complete || r.figures() == 0 {
		t.Errorf("interrupted: %v, report %+v", err, r)
	}
	s.out.await(t, "done after")
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestNoMoreJobsThanAllowedAreStarted(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	to := far{dialTest(t, s.address), s.address.Addr()}
	for i := range maxJobs {
		if _, err := to.Start(t.Context(), load.Job{Kind: load.EchoTCP, Within: time.Minute}); err != nil {
			t.Fatalf("job %d: %v", i, err)
		}
	}
	if _, err := to.Start(t.Context(), load.Job{Kind: load.EchoTCP}); err == nil || !strings.Contains(err.Error(), "as many as are allowed") {
		t.Errorf("one job more: %v", err)
	}
}

func TestAJobLongerThanAllowedOrOfAnUnknownKindIsRefused(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	to := far{dialTest(t, s.address), s.address.Addr()}
	for _, job := range []load.Job{{Kind: load.EchoTCP, Within: maxWithin + 1}, {Kind: "shell"}} {
		if _, err := to.Start(t.Context(), job); err == nil {
			t.Errorf("%+v is started", job)
		}
	}
	remote, err := to.Start(t.Context(), load.Job{Kind: load.EchoTCP})
	if err != nil {
		t.Fatalf("after refusals nothing works: %v", err)
	}
	if _, err := remote.Finish(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := remote.Tally(t.Context()); err == nil || !strings.Contains(err.Error(), "no job") {
		t.Errorf("the tally of a finished job: %v", err)
	}
}

func TestWhoSendsFasterThanAllowedIsEnded(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}, MaxRate: minRate})
	c := dialTest(t, s.address)
	_, err := load.Bulk(t.Context(), load.Here{}, far{c, s.address.Addr()}, load.BulkOptions{Duration: 30 * time.Second})
	if err == nil {
		t.Error("the transfer came to its end")
	}
	if ended := new(EndedError); !errors.As(c.err(), &ended) || !strings.Contains(ended.Reason, "bit/s") {
		t.Errorf("the run ends with %v", c.err())
	}
}

func TestAJobIsForTheAddressOfItsClientAlone(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	token := load.Token{1, 2, 3}
	job, err := far{dialTest(t, s.address), s.address.Addr()}.Start(t.Context(), load.Job{Kind: load.AcceptTCP, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	answered := func(from string) bool {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := d.Dial("tcp", job.Addr().String())
		if err != nil {
			return false // reset already
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		_, _ = conn.Write(append(token[:], 1))
		n, _ := conn.Read(make([]byte, 1))
		return n == 1
	}
	if answered("127.0.0.5") || !answered("127.0.0.1") {
		t.Error("another address with the token is answered, or the client's own is not")
	}
}

func TestTheLimitOfARunIsSharedByItsJobs(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}, MaxRate: 8_000_000})
	c := dialTest(t, s.address)
	began := time.Now()
	results := make(chan uint64, 2)
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} { // a station each
		go func() {
			r, err := load.Bulk(t.Context(), load.Here{}, far{c, netip.MustParseAddr(host)},
				load.BulkOptions{Duration: 500 * time.Millisecond, Direction: load.Down})
			if err != nil {
				t.Error(err)
			}
			results <- r.Bytes
		}()
	}
	total := <-results + <-results
	if most := time.Since(began).Seconds()*1e6 + 3*20_000; float64(total) > most { // a chunk of 20 ms is sent ahead
		t.Errorf("%d bytes came back of two jobs at 1 MB/s; want at most %.0f", total, most)
	}
}

func TestWhatDoesNotSpeakTheProtocolGetsNoAnswer(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	conn, err := net.Dial("tcp", s.address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	if answer, _ := io.ReadAll(conn); len(answer) > 0 { // it ends with a reset or in order
		t.Errorf("the answer is %q", answer)
	}
	s.out.await(t, "no bench of weft")
}

func TestAnotherVersionIsNamedOnBothSides(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	conn, err := net.Dial("tcp", s.address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(append(magic[:], protocol+1)); err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	if err := readPreface(conn); err != nil {
		t.Errorf("a newer client cannot tell which version the server has: %v", err)
	}
	s.out.await(t, "update weft on this side")
}
