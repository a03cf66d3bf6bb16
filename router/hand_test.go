package router

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// byHand says how a router is made whose loops do not run: the test drives its lanes and its control goroutine.
type byHand struct {
	clear   bool
	partial bool
	parts   bool       // it puts frames together of their parts
	lanes   int        // 0: 1
	dev     tun.Device // nil: one that takes packets and forgets them

	ciphers []encap.Cipher // nil: those that this machine prefers
}

// hand makes node i by hand, with a sink for each lane.
func hand(t testing.TB, i int, o byHand) *side {
	t.Helper()
	s := newSide(t, i)
	s.local.Settings.Encryption = !o.clear
	if o.parts {
		parting(s)
	}
	if o.ciphers != nil {
		s.local.Settings.Ciphers = o.ciphers
	}
	s.local.Settings.Lanes = uint8(max(1, o.lanes))
	port := new(handPort)
	dev := &countingDevice{}
	for range s.local.Settings.Lanes {
		port.conns = append(port.conns, new(sink))
		dev.queues = append(dev.queues, dev)
	}
	if o.dev == nil {
		o.dev = dev
	}
	s.router = New(Config{
		Local: s.local, Device: o.dev, Port: port, Stamp: encap.Stamps(1), Log: testLogger(t), Partial: o.partial,
		Events: s.onEvent,
	})
	return s
}

// introduce makes nodes by hand know each other, and gives them sessions and paths.
func introduce(t testing.TB, sides ...*side) {
	t.Helper()
	for _, s := range sides {
		s.router.setTable(s.table(sides...))
	}
	for i, s := range sides {
		for _, p := range sides[:i] {
			shake(t, p, s)
		}
	}
	for _, s := range sides {
		for _, c := range s.router.conns {
			c.(*sink).forget()
		}
	}
}

// shake makes a session of two nodes that know each other, and paths.
func shake(t testing.TB, a, b *side) {
	t.Helper()
	handshake(t, a, b)
	pa, pb := a.known(b), b.known(a)
	b.router.confirm(b.router.indexes.lookup(pa.session.Current().RemoteIndex))
	pa.link.Rise()
	pb.link.Rise()
	a.lead(b, encap.Endpoint{Addr: b.endpoint().Addr, Local: a.endpoint().Addr.Addr()})
	b.lead(a, encap.Endpoint{Addr: a.endpoint().Addr, Local: b.endpoint().Addr.Addr()})
}

// lead makes an endpoint the direct link to a peer, and its path, at a node by hand.
func (s *side) lead(p *side, to encap.Endpoint) {
	known := s.known(p)
	s.router.lead(known, to)
	s.router.follow(known, to)
}

// handshake makes new keys, which a uses and which are not confirmed to b.
func handshake(t testing.TB, a, b *side) {
	t.Helper()
	pa, pb, now := a.known(b), b.known(a), time.Now()
	initiation, err := pa.session.Initiate(now)
	check(t, err)
	m, err := b.local.ReadInitiation(initiation)
	check(t, err)
	response, err := pb.session.Accept(m, now)
	check(t, err)
	check(t, pa.session.Complete(response, now))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// known is the record of a peer, at a node by hand.
func (s *side) known(p *side) *peer { return s.router.peers[p.id()] }

// sink is the sink of lane i, at a node by hand.
func (s *side) sink(i int) *sink { return s.router.conns[i].(*sink) }

// from is where frames of p come from, as a node by hand sees it.
func (s *side) from(p *side) encap.Endpoint {
	return encap.Endpoint{Addr: p.endpoint().Addr, Local: s.endpoint().Addr.Addr()}
}

// lane is lane i.
func (s *side) lane(i int) *lane { return s.router.lanes[i] }

// drops is what was dropped so far.
func (s *side) drops() map[Reason]uint64 { return s.router.Counters().Dropped }

// handPort is a port of connections that are given to it.
type handPort struct{ conns []encap.Conn }

func (p *handPort) Lanes() []encap.Conn       { return p.conns }
func (p *handPort) Control() encap.PolledConn { return nil }
func (p *handPort) Port() uint16              { return testPort }
func (p *handPort) Features() []encap.Feature { return nil }
func (p *handPort) Buffers() (int, int)       { return 0, 0 }
func (p *handPort) Overflow() uint64          { return 0 }
func (p *handPort) Renew()                    {}
func (p *handPort) Close() error              { return nil }

// sink is a connection that counts the frames that are sent, and keeps them if it is to.
type sink struct {
	frames int
	keep   bool
	most   int // bytes of the longest frame that is not refused; 0: of any length
	trains []sentTrain
}

// sentTrain is a train in memory of its own.
type sentTrain struct {
	to     encap.Endpoint
	ecn    uint8
	dscp   uint8
	size   int
	pieces int // that it was gathered from
	frames [][]byte
}

// Receive implements encap.Conn.
func (c *sink) Receive() ([]encap.Datagram, error) { return nil, os.ErrClosed }

// Send implements encap.Conn.
func (c *sink) Send(trains []encap.Train) encap.SendResult {
	n, refused := 0, 0
	for i := range trains {
		t := &trains[i]
		if t.Refused = (encap.Run{}); c.most > 0 && t.Size > c.most {
			refused += c.refuse(t)
			continue
		}
		all := 0
		for _, b := range t.Bufs {
			all += len(b)
		}
		n += (all + t.Size - 1) / t.Size
		if c.keep {
			c.trains = append(c.trains, sentTrain{t.To, t.ECN, t.DSCP, t.Size, len(t.Bufs), framesOf(*t)})
		}
	}
	c.frames += n
	return encap.SendResult{Sent: n, TooBig: refused}
}

// refuse refuses all frames of a train.
func (c *sink) refuse(t *encap.Train) int {
	n := len(framesOf(*t))
	t.Refuse(0, n)
	return n
}

// forget makes it as new.
func (c *sink) forget() { *c = sink{keep: c.keep} }

// record begins to keep what is sent.
func (c *sink) record() *sink {
	c.keep = true
	return c
}

// sent takes all trains that were kept.
func (c *sink) sent() []sentTrain {
	list := c.trains
	c.trains = nil
	return list
}

// each takes all frames that were kept.
func (c *sink) each() (frames [][]byte) {
	for _, t := range c.sent() {
		frames = append(frames, t.frames...)
	}
	return frames
}

// datagram is the train as a kernel gives it that joins what comes.
func (t *sentTrain) datagram(from encap.Endpoint) encap.Datagram {
	return encap.Datagram{From: from, Data: slices.Concat(t.frames...), Size: t.size, ECN: t.ecn}
}

// countingDevice is a device that takes packets and forgets them.
type countingDevice struct {
	queues         []tun.Queue
	joins          tun.Joins
	packets, bytes int
}

func (d *countingDevice) Name() string                        { return "weft0" }
func (d *countingDevice) Queues() []tun.Queue                 { return d.queues }
func (d *countingDevice) Joins() tun.Joins                    { return d.joins }
func (d *countingDevice) Driver() tun.Driver                  { return tun.DriverMemory }
func (d *countingDevice) Read() ([]packet.Superpacket, error) { return nil, os.ErrClosed }
func (d *countingDevice) Unreadable() uint64                  { return 0 }
func (d *countingDevice) Offloads() []tun.Offload             { return nil }
func (d *countingDevice) Close() error                        { return nil }

// Write implements tun.Queue.
func (d *countingDevice) Write(batch []packet.Superpacket) (int, error) {
	for i := range batch {
		d.bytes += batch[i].Len()
	}
	d.packets += len(batch)
	return len(batch), nil
}

// memory makes a device that is closed when the test ends.
func memory(t testing.TB, queues int, joins tun.Joins) *tun.PolledMemory {
	t.Helper()
	m, err := tun.NewPolledMemory("weft0", 9000, queues, joins)
	check(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// written takes what a queue's other side has got so far.
func written(q *tun.MemoryQueue) (packets []packet.Superpacket) {
	for {
		select {
		case p := <-q.Written():
			packets = append(packets, p)
		default:
			return packets
		}
	}
}

// joinsAll is a device that takes everything joined.
var joinsAll = tun.Joins{TCP: true, UDP: true, Partial: true}
