package between

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/load"
)

const oneWay = 150 * time.Millisecond

// delayed is a far end behind a long path: what comes and goes is held for oneWay, and longer datagrams than most are lost.
type delayed struct {
	load.Far
	most int // bytes of payload
}

// Start starts the job behind a relay of its own.
func (d delayed) Start(ctx context.Context, j load.Job) (load.Remote, error) {
	remote, err := d.Far.Start(ctx, j)
	if err != nil {
		return nil, err
	}
	if j.Kind == load.EchoUDP || j.Kind == load.SinkUDP {
		return delayDatagrams(remote, d.most)
	}
	r, err := delayConnections(remote.Addr())
	return &delayedJob{remote, r}, err
}

// delayedJob is a job behind a relay.
type delayedJob struct {
	load.Remote
	relay *relay
}

func (j *delayedJob) Addr() netip.AddrPort { return j.relay.addr }

func (j *delayedJob) Finish(ctx context.Context) (load.Tally, error) {
	j.relay.Close()
	return j.Remote.Finish(ctx)
}

// relay is what holds traffic, until it is closed.
type relay struct {
	addr netip.AddrPort
	wait sync.WaitGroup

	mu     sync.Mutex // guards closes
	closes []io.Closer
}

func (r *relay) own(c io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closes = append(r.closes, c)
}

func (r *relay) Close() {
	r.mu.Lock()
	for _, c := range r.closes {
		c.Close()
	}
	r.mu.Unlock()
	r.wait.Wait()
}

// hold reads, and writes each piece after oneWay.
func (r *relay) hold(read func([]byte) (int, error), write func([]byte)) {
	type piece struct {
		b  []byte
		at time.Time
	}
	pieces := make(chan piece, 1<<14)
	r.wait.Go(func() {
		for p := range pieces {
			time.Sleep(time.Until(p.at))
			write(p.b)
		}
	})
	r.wait.Go(func() {
		defer close(pieces)
		for {
			b := make([]byte, 1<<16)
			n, err := read(b)
			if err != nil {
				return
			}
			pieces <- piece{b[:n], time.Now().Add(oneWay)}
		}
	})
}

func delayConnections(to netip.AddrPort) (*relay, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{addr: l.Addr().(*net.TCPAddr).AddrPort()}
	r.own(l)
	r.wait.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			r.own(in)
			out, err := net.Dial("tcp4", to.String())
			if err != nil {
				continue
			}
			r.own(out)
			r.hold(in.Read, func(b []byte) { _, _ = out.Write(b) })
			r.hold(out.Read, func(b []byte) { _, _ = in.Write(b) })
		}
	})
	return r, nil
}

func delayDatagrams(remote load.Remote, most int) (load.Remote, error) {
	in, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	out, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(remote.Addr()))
	if err != nil {
		in.Close()
		return nil, err
	}
	r := &relay{addr: in.LocalAddr().(*net.UDPAddr).AddrPort()}
	r.own(in)
	r.own(out)
	var near atomic.Pointer[netip.AddrPort]
	r.hold(func(b []byte) (int, error) {
		n, from, err := in.ReadFromUDPAddrPort(b)
		near.Store(&from)
		return n, err
	}, func(b []byte) {
		if len(b) <= most {
			_, _ = out.Write(b)
		}
	})
	r.hold(out.Read, func(b []byte) {
		_, _ = in.WriteToUDPAddrPort(b, *near.Load())
	})
	return &delayedJob{remote, r}, nil
}

// longWay is a client, and its run, whose control connection and traffic take oneWay in each direction.
func longWay(t *testing.T, mtu, carries int) (*schedule, *Path) {
	t.Helper()
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	r, err := delayConnections(s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	c := dialTest(t, r.addr)
	p := &Path{Name: Direct, Address: s.address.Addr(), Device: "lo", MTU: mtu}
	o, err := Options{Address: s.address.String(), Duration: minDuration, Rounds: 1}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	w := newSchedule(o, c, &way{paths: []*Path{p}})
	w.far = func(p *Path) load.Far { return delayed{far{c, p.Address}, carries - 28} }
	return w, p
}

func TestALongPathIsProbedAndNotTakenForAClosedOne(t *testing.T) {
	s, p := longWay(t, 46, 45)
	s.probePath(t.Context(), p)
	if p.Unavailable != "" || p.TCP != "" || p.UDP != "" {
		t.Errorf("a path with round trips of %v: %+v", 2*oneWay, p)
	}
	if rounds := s.report.row(Direct, "mtu").Rounds; len(rounds) != 1 || rounds[0].Value != 45 {
		t.Errorf("its MTU is %+v, want 45", rounds)
	}
}

func TestRoundTripsOfALongPathAreMeasured(t *testing.T) {
	s, p := longWay(t, 1500, 1500)
	for _, m := range measures()[6:] {
		readings, err := m.run(t.Context(), s.far(p), s.limits)
		if err != nil {
			t.Fatalf("%s: %v", m.metrics[0].ID, err)
		}
		if p50 := readings[0].value; p50 < (2*oneWay).Seconds() || readings[0].detail["lost"] > 0 && p50 < lostAfter.Seconds() {
			t.Errorf("%s takes %v s: %+v", m.metrics[0].ID, p50, readings)
		}
	}
}
