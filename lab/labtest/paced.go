package labtest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Place is where sockets are opened: a host or a pod of a lab.
type Place interface {
	Do(func() error) error
}

// Pace is the time between two datagrams: 1000 a second.
const Pace = time.Millisecond

// Paced is a one-way stream of numbered UDP datagrams from one place to another, until it is stopped.
type Paced struct {
	to   netip.Addr
	text string // what each holds behind its number
	conn net.Conn
	in   *net.UDPConn
	stop chan struct{}
	done sync.WaitGroup

	mu       sync.Mutex // guards what follows
	sent     uint64
	arrivals []arrival
}

type arrival struct {
	number uint64
	at     time.Time
}

// StartPaced begins a stream to an address of the place to. It ends with the test at the latest.
func StartPaced(t *testing.T, from, to Place, addr netip.Addr, text string) *Paced {
	t.Helper()
	p := &Paced{to: addr, text: text, stop: make(chan struct{})}
	err := to.Do(func() (err error) {
		p.in, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.in.Close() })
	err = from.Do(func() (err error) {
		p.conn, err = net.Dial("udp", p.in.LocalAddr().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.done.Go(p.send)
	p.done.Go(p.receive)
	t.Cleanup(p.End)
	return p
}

// send sends what is due: when the machine was busy with other things, what it missed follows at once.
func (p *Paced) send() {
	tick := time.NewTicker(Pace)
	defer tick.Stop()
	start, b := time.Now(), append(make([]byte, 8), p.text...)
	for n := uint64(0); ; {
		for ; n < uint64(time.Since(start)/Pace); n++ {
			binary.BigEndian.PutUint64(b, n)
			_, _ = p.conn.Write(b) // unreachable for a while is what is measured
		}
		p.mu.Lock()
		p.sent = n
		p.mu.Unlock()
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
	}
}

func (p *Paced) receive() {
	b := make([]byte, 2048)
	for {
		n, err := p.in.Read(b)
		if err != nil {
			return
		}
		if n >= 8 {
			p.mu.Lock()
			p.arrivals = append(p.arrivals, arrival{binary.BigEndian.Uint64(b), time.Now()})
			p.mu.Unlock()
		}
	}
}

// End stops the stream. It may be called again.
func (p *Paced) End() {
	select {
	case <-p.stop:
		return
	default:
	}
	close(p.stop)
	p.conn.Close()
	p.in.Close()
	p.done.Wait()
}

// Mark is the number of the last datagram that was sent.
func (p *Paced) Mark() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// Await waits until a datagram has arrived that was sent after mark, or until limit.
func (p *Paced) Await(t *testing.T, mark uint64, limit time.Duration) {
	t.Helper()
	tick, timeout := time.NewTicker(5*time.Millisecond), time.NewTimer(limit)
	defer tick.Stop()
	defer timeout.Stop()
	for !p.arrived(mark) {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("nothing arrives at %s", p.to)
		}
	}
}

func (p *Paced) arrived(mark uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.arrivals)
	return n > 0 && p.arrivals[n-1].number > mark
}

// Between says what became of the datagrams that were sent between two marks: the longest time without an arrival, and how
// many never arrived.
func (p *Paced) Between(from, to uint64) (gap time.Duration, lost int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var last time.Time
	lost = int(to - from)
	for _, a := range p.arrivals {
		if a.number < from || a.number >= to {
			continue
		}
		if !last.IsZero() {
			gap = max(gap, a.at.Sub(last))
		}
		last = a.at
		lost--
	}
	return gap, lost
}
