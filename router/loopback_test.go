package router

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/tun"
)

// loopSide is a running router with real sockets on loopback and a device that can be polled. It lives in real time.
type loopSide struct {
	*side
	mem  *tun.PolledMemory // the device that it began with
	wire *wire
	base map[Reason]uint64 // dropped until it knew all others
}

// loopOptions say how one is made.
type loopOptions struct {
	at      string // where it listens; "": 127.0.0.1
	lanes   int    // 0: 1
	queues  int    // of the device; 0: as many
	joins   tun.Joins
	clear   bool
	partial bool
	spin    int
	control bool // the port has a control socket
	skew    int  // by how many lanes the port's connections get each other's frames
}

// quiet is a timing in which no probe is sent but those that follow a handshake.
var quiet = Timing{Timing: alive.Timing{Busy: time.Hour, Idle: time.Hour}}

// loopback makes node i and runs it.
func loopback(t *testing.T, i int, o loopOptions) *loopSide {
	t.Helper()
	s := &loopSide{side: newSide(t, i)}
	o.lanes = max(1, o.lanes)
	if o.queues == 0 {
		o.queues = o.lanes
	}
	if o.at == "" {
		o.at = "127.0.0.1"
	}
	at := netip.MustParseAddr(o.at)
	port, err := encap.ListenUDP(encap.UDPOptions{Listen: netip.AddrPortFrom(at, 0).String(), Lanes: o.lanes, Control: o.control})
	if err != nil {
		t.Skipf("no port with %d lanes at %v: %v", o.lanes, at, err)
	}
	s.timing = quiet
	s.local.Settings.Lanes, s.local.Settings.Encryption = uint8(o.lanes), !o.clear
	s.config.Endpoints = []netip.AddrPort{netip.AddrPortFrom(at, port.Port())}
	s.mem = memory(t, o.queues, o.joins)
	s.wire = newWire(port, o.skew)
	s.run(s.mem, s.wire, func(c *Config) { c.Partial, c.Spin = o.partial, o.spin })
	t.Cleanup(func() { s.halt() })
	return s
}

// halt ends the router, which must not take for ever.
func (s *loopSide) halt() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("%s: Run = %v", s.name, err)
		}
	case <-time.After(patience):
		panic(s.name + " does not stop") // shows where every goroutine is
	}
}

// meet makes all know each other, and waits until they reach each other and no more is to be said.
func meet(t *testing.T, sides ...*loopSide) {
	t.Helper()
	var all []*side
	for _, s := range sides {
		all = append(all, s.side)
	}
	for _, s := range all {
		s.set(all...)
	}
	await(t, "all know where they are seen", func() bool {
		for _, s := range all {
			for _, p := range all {
				if status := s.peer(p); p != s && (!status.Up || !status.SeenAs.IsValid() || status.RTT == 0) {
					return false
				}
			}
		}
		return true
	})
	for _, s := range sides {
		s.base = s.drops()
	}
}

// lost is what was dropped since the sides met.
func (s *loopSide) lost() map[Reason]uint64 { return grown(s.base, s.drops()) }

// lossless checks that nothing was.
func lossless(t *testing.T, sides ...*loopSide) {
	t.Helper()
	for _, s := range sides {
		if d := s.lost(); len(d) != 0 {
			t.Errorf("%s dropped %v", s.name, d)
		}
	}
}

// put gives packets to a queue of the device that the side began with.
func (s *loopSide) put(queue int, packets ...packet.Superpacket) {
	s.t.Helper()
	if err := s.mem.Queue(queue).Inject(packets...); err != nil {
		s.t.Fatal(err)
	}
}

// get waits for n packets from a queue of that device.
func (s *loopSide) get(queue, n int) (packets []packet.Superpacket) {
	s.t.Helper()
	end := deadline(s.t)
	for len(packets) < n {
		select {
		case p := <-s.mem.Queue(queue).Written():
			packets = append(packets, p)
		case <-end:
			s.t.Fatalf("%s: %d packets of %d came; dropped %v", s.name, len(packets), n, s.lost())
		}
	}
	return packets
}

// reaches checks that a packet gets from a queue of s to p.
func (s *loopSide) reaches(p *loopSide, queue int) {
	s.t.Helper()
	text := fmt.Sprint("from ", s.name, " at ", time.Now().UnixNano())
	s.put(queue, packet.Superpacket{Data: udp(pod(s.number), pod(p.number), text)})
	got := p.get(queue%common(s, p), 1)
	if string(packettest.Payload(got[0].Data)) != text {
		s.t.Errorf("%s got %x, want %q", p.name, got[0].Data, text)
	}
}

// common is the number of lanes that both have.
func common(s, p *loopSide) int { return min(len(s.router.lanes), len(p.router.lanes)) }

// wire is a port that notes which frames go and come where. Each connection's frames may come to another one.
type wire struct {
	port
	conns []encap.Conn

	mu       sync.Mutex // guards what follows
	out, in  []passing
	keepings bool
}

// passing is a data frame that was sent or received.
type passing struct {
	conn   int
	lane   uint8 // that it says
	remote encap.Endpoint
}

func newWire(port encap.Port, skew int) *wire {
	w := &wire{port: port}
	lanes := port.Lanes()
	for i := range lanes {
		from := lanes[(i+skew)%len(lanes)].(encap.PolledConn)
		w.conns = append(w.conns, &wireConn{PolledConn: from, out: lanes[i], wire: w, number: i})
	}
	return w
}

// Lanes implements encap.Port.
func (w *wire) Lanes() []encap.Conn { return w.conns }

// note begins to keep what passes.
func (w *wire) note() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keepings, w.out, w.in = true, nil, nil
}

// noted is what passed since.
func (w *wire) noted() (out, in []passing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out, w.in
}

func (w *wire) pass(list *[]passing, conn int, remote encap.Endpoint, frames [][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range frames {
		if w.keepings && len(f) > 2 && encap.Type(f[0]&15) == encap.Data {
			*list = append(*list, passing{conn, f[2], remote})
		}
	}
}

// wireConn is one connection of a wire.
type wireConn struct {
	encap.PolledConn // that it receives from
	out              encap.Conn
	wire             *wire
	number           int
}

// Send implements encap.Conn.
func (c *wireConn) Send(trains []encap.Train) encap.SendResult {
	for _, t := range trains {
		c.wire.pass(&c.wire.out, c.number, t.To, framesOf(t))
	}
	return c.out.Send(trains)
}

// TryReceive implements encap.PolledConn.
func (c *wireConn) TryReceive() ([]encap.Datagram, error) {
	batch, err := c.PolledConn.TryReceive()
	for _, d := range batch {
		c.wire.pass(&c.wire.in, c.number, d.From, framesOf(encap.Train{Bufs: [][]byte{d.Data}, Size: d.Size}))
	}
	return batch, err
}
