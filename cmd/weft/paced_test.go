package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
)

// pace is the time between two datagrams: 1000 a second.
const pace = time.Millisecond

// paced is a one-way stream of numbered UDP datagrams from one pod to another, until it is stopped. Each holds the canary.
type paced struct {
	to   netip.Addr
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

func startPaced(t *testing.T, from, to *lab.Pod) *paced {
	t.Helper()
	p := &paced{to: to.Addr4(), in: listenUDP(t, to, to.Addr4()), stop: make(chan struct{})}
	p.conn = dialUDP(t, from, p.in.LocalAddr().String())
	p.done.Go(p.send)
	p.done.Go(p.receive)
	t.Cleanup(p.end)
	return p
}

// send sends what is due: when the machine was busy with other things, what it missed follows at once.
func (p *paced) send() {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	start, b := time.Now(), append(make([]byte, 8), canary...)
	for n := uint64(0); ; {
		for ; n < uint64(time.Since(start)/pace); n++ {
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

func (p *paced) receive() {
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

// end stops the stream. It may be called again.
func (p *paced) end() {
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

// mark is the number of the last datagram that was sent.
func (p *paced) mark() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// await waits until a datagram has arrived that was sent after mark.
func (p *paced) await(t *testing.T, mark uint64) {
	t.Helper()
	await(t, func() (bool, string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		n := len(p.arrivals)
		return n > 0 && p.arrivals[n-1].number > mark, "nothing arrives at " + p.to.String()
	})
}

// between says what became of the datagrams that were sent between two marks: the longest time without an arrival, and how
// many never arrived.
func (p *paced) between(from, to uint64) (gap time.Duration, lost int) {
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
