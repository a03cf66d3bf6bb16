package router

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// bench is two routers whose loops do not run: the test drives their lanes by hand.
type bench struct {
	a, b *Router
	sent *countingConn // of a
	got  *countingDevice
}

// countingConn is a port that keeps the frames of the last sends in memory of its own, if it is to.
type countingConn struct {
	frames int
	keep   bool
	kept   [][]byte
}

// Overflow implements encap.Port.
func (*countingConn) Overflow() uint64 { return 0 }

func (c *countingConn) Receive() ([]encap.Datagram, error) { return nil, os.ErrClosed }
func (c *countingConn) Lanes() []encap.Conn                { return []encap.Conn{c} }
func (c *countingConn) Port() uint16                       { return testPort }
func (c *countingConn) Features() []encap.Feature          { return nil }
func (c *countingConn) Buffers() (int, int)                { return 0, 0 }
func (c *countingConn) Renew()                             {}
func (c *countingConn) Close() error                       { return nil }

func (c *countingConn) Send(trains []encap.Train) encap.SendResult {
	n := 0
	for i := range trains {
		all := 0
		for _, b := range trains[i].Bufs {
			all += len(b)
		}
		n += (all + trains[i].Size - 1) / trains[i].Size
		if c.keep {
			c.kept = append(c.kept, framesOf(trains[i])...)
		}
	}
	c.frames += n
	return encap.SendResult{Sent: n}
}

// countingDevice is a device that takes packets and forgets them.
type countingDevice struct{ packets, bytes int }

func (d *countingDevice) Name() string                        { return "weft0" }
func (d *countingDevice) Queues() []tun.Queue                 { return []tun.Queue{d} }
func (d *countingDevice) Joins() tun.Joins                    { return tun.Joins{} }
func (d *countingDevice) Driver() tun.Driver                  { return tun.DriverMemory }
func (d *countingDevice) Read() ([]packet.Superpacket, error) { return nil, os.ErrClosed }
func (d *countingDevice) Unreadable() uint64                  { return 0 }
func (d *countingDevice) Offloads() []tun.Offload             { return nil }
func (d *countingDevice) Close() error                        { return nil }

func (d *countingDevice) Write(batch []packet.Superpacket) (int, error) {
	for i := range batch {
		d.bytes += batch[i].Len()
	}
	d.packets += len(batch)
	return len(batch), nil
}

// newBench makes both routers with a session between them.
func newBench(t *testing.T, sealed bool) *bench {
	t.Helper()
	x := &bench{sent: new(countingConn), got: new(countingDevice)}
	x.a = benchRouter(t, 1, sealed, x.sent, new(countingDevice))
	x.b = benchRouter(t, 2, sealed, new(countingConn), x.got)
	x.a.setTable(benchTable(x.a, 1, x.b, 2))
	x.b.setTable(benchTable(x.b, 2, x.a, 1))
	pa, pb := x.a.peers[x.b.self], x.b.peers[x.a.self]
	now := time.Now()
	initiation, err := pa.session.Initiate(now)
	check(t, err)
	m, err := x.b.cfg.Local.ReadInitiation(initiation)
	check(t, err)
	response, err := pb.session.Accept(m, now)
	check(t, err)
	check(t, pa.session.Complete(response, now))
	bound := x.b.indexes.lookup(pa.session.Current().RemoteIndex)
	x.b.confirm(bound)
	pa.follow(encap.Endpoint{Addr: netip.AddrPortFrom(addr4(2), testPort), Local: addr4(1)})
	pb.follow(encap.Endpoint{Addr: netip.AddrPortFrom(addr4(1), testPort), Local: addr4(2)})
	x.sent.frames = 0
	return x
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func benchRouter(t *testing.T, i byte, sealed bool, port encap.Port, dev tun.Device) *Router {
	t.Helper()
	identity, err := trust.NewIdentity(bytes.Repeat([]byte{i}, 32))
	check(t, err)
	return New(Config{
		Device: dev, Port: port, Stamp: encap.Stamps(1), Log: testLogger(t),
		Local: &encap.Local{
			Identity: identity, Keys: trust.Secret(bytes.Repeat([]byte{7}, trust.SecretLen)).Derive(), Rand: rand.NewChaCha8([32]byte{i}),
			Settings: encap.Settings{Encryption: sealed, MinVersion: 1, MaxVersion: 1, Lanes: 1, Ciphers: encap.PreferredCiphers()},
		},
	})
}

func benchTable(self *Router, i int, peer *Router, j int) Table {
	return Table{
		Local: []netip.Prefix{subnet4(i), subnet6(i)},
		Peers: []PeerConfig{{
			Keys: peer.cfg.Local.Identity.Public(), Prefixes: []netip.Prefix{subnet4(j), subnet6(j)},
			Endpoints: []netip.AddrPort{netip.AddrPortFrom(addr4(j), testPort)},
		}},
	}
}

// loads are what goes through a lane at once.
func loads() map[string][]packet.Superpacket {
	superTCP, _ := super(true, pod(1), pod(2), 0)
	superUDP, _ := super(false, pod6(1), pod6(2), 0)
	plain := packet.Superpacket{Data: udp(pod(1), pod(2), string(make([]byte, 1200)))}
	plain6 := packet.Superpacket{Data: udp(pod6(1), pod6(2), "small")}
	return map[string][]packet.Superpacket{
		"a packet":           {plain},
		"a batch of packets": slices.Repeat([]packet.Superpacket{plain, plain6}, 32),
		"a superpacket":      {superTCP},
		"superpackets":       slices.Repeat([]packet.Superpacket{superTCP, superUDP, plain}, 20),
	}
}

const allocRuns = 100

func eachLoad(t *testing.T, test func(t *testing.T, x *bench, load []packet.Superpacket)) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, sealed := range []bool{true, false} {
		for name, load := range loads() {
			mode := map[bool]string{true: "sealed", false: "clear"}[sealed]
			t.Run(mode+", "+name, func(t *testing.T) { test(t, newBench(t, sealed), load) })
		}
	}
}

func TestOutboundAllocatesNothing(t *testing.T) {
	eachLoad(t, func(t *testing.T, x *bench, load []packet.Superpacket) {
		if n := testing.AllocsPerRun(allocRuns, func() { x.a.lanes[0].outbound(load) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		c := x.a.Counters()
		if len(c.Dropped) != 0 || x.sent.frames == 0 || x.sent.frames != int(c.Out.Packets) {
			t.Errorf("dropped %v, sent %d frames for %d packets", c.Dropped, x.sent.frames, c.Out.Packets)
		}
	})
}

func TestInboundAllocatesNothing(t *testing.T) {
	eachLoad(t, func(t *testing.T, x *bench, load []packet.Superpacket) {
		from := encap.Endpoint{Addr: netip.AddrPortFrom(addr4(1), testPort), Local: addr4(2)}
		checkInbound(t, x, load, from)
	})
}

// checkInbound takes the load at b, in frames that are new each time.
func checkInbound(t *testing.T, x *bench, load []packet.Superpacket, from encap.Endpoint) {
	t.Helper()
	x.sent.keep = true
	batches := make([][]encap.Datagram, 0, allocRuns+1) // AllocsPerRun calls once more, to warm up
	for range allocRuns + 1 {
		x.sent.kept = nil
		x.a.lanes[0].outbound(slices.Clone(load))
		var batch []encap.Datagram
		for _, f := range x.sent.kept {
			batch = append(batch, encap.Datagram{From: from, Data: f})
		}
		batches = append(batches, batch)
	}
	n := testing.AllocsPerRun(allocRuns, func() {
		x.b.lanes[0].inbound(batches[0])
		batches = batches[1:]
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	c := x.b.Counters()
	if len(c.Dropped) != 0 || x.got.packets == 0 || x.got.packets != x.sent.frames {
		t.Errorf("dropped %v, %d of %d packets arrived", c.Dropped, x.got.packets, x.sent.frames)
	}
}

func TestInboundFromAnotherEndpointOfThePeerAllocatesNothingOnceControlKnows(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	x := newBench(t, true)
	if bytes.Compare(x.b.self[:], x.a.self[:]) > 0 {
		t.Fatal("b would follow; choose other identities")
	}
	elsewhere := encap.Endpoint{Addr: netip.AddrPortFrom(addr6(1), testPort), Local: addr6(2)}
	p := x.b.peers[x.a.self]
	p.config.Endpoints = append(p.config.Endpoints, elsewhere.Addr)
	p.link.rise()
	x.b.heardFrom(p, elsewhere, false)
	checkInbound(t, x, loads()["a packet"], elsewhere)
	if n := len(x.b.calls); n != 0 {
		t.Errorf("control was woken %d times", n)
	}
}

func TestDroppedPacketsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	x := newBench(t, true)
	out := []packet.Superpacket{
		{Data: []byte{1}}, {Data: udp(pod(1), netip.MustParseAddr("224.0.0.1"), "")}, {Data: udp(pod(3), pod(2), "")}, {Data: udp(pod(1), pod(9), "")},
	}
	if n := testing.AllocsPerRun(allocRuns, func() { x.a.lanes[0].outbound(out) }); n != 0 {
		t.Errorf("outbound: %v allocations", n)
	}
	in := []encap.Datagram{
		{Data: []byte{1}}, {Data: encap.Header{Type: encap.Data, Index: 1}.Append(nil)}, {Data: []byte{0x2f, 0, 0, 0, 0, 0, 0, 0}},
	}
	if n := testing.AllocsPerRun(allocRuns, func() { x.b.lanes[0].inbound(in) }); n != 0 {
		t.Errorf("inbound: %v allocations", n)
	}
}

func TestATrainReceivedAsOneDatagramIsTakenApart(t *testing.T) {
	x := newBench(t, true)
	x.sent.keep = true
	p, _ := super(true, pod(1), pod(2), 0)
	x.a.lanes[0].outbound([]packet.Superpacket{p})
	size := len(x.sent.kept[0])
	from := encap.Endpoint{Addr: netip.AddrPortFrom(addr4(1), testPort), Local: addr4(2)}
	x.b.lanes[0].inbound([]encap.Datagram{{From: from, Data: bytes.Join(x.sent.kept, nil), Size: size}})
	if x.got.packets != 11 || len(x.b.Counters().Dropped) != 0 {
		t.Errorf("%d packets of 11, dropped %v", x.got.packets, x.b.Counters().Dropped)
	}
}
