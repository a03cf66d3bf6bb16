package router

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// loads are what goes through a lane at once.
func loads() map[string][]packet.Superpacket {
	superTCP, _ := super(true, pod(1), pod(2), 0)
	superUDP, _ := super(false, pod6(1), pod6(2), 0)
	plain := packet.Superpacket{Data: udp(pod(1), pod(2), string(make([]byte, 1200)))}
	plain6 := packet.Superpacket{Data: udp(pod6(1), pod6(2), "small")}
	return map[string][]packet.Superpacket{
		"a packet":           {plain},
		"a batch of packets": slices.Repeat([]packet.Superpacket{plain, plain6}, 32),
		"equal packets":      slices.Repeat([]packet.Superpacket{plain6}, 64),
		"a superpacket":      {superTCP},
		"superpackets":       slices.Repeat([]packet.Superpacket{superTCP, superUDP, plain}, 20),
	}
}

const allocRuns = 100

// allocBench is a node that sends a load to another, both by hand.
type allocBench struct {
	a, b *side
	got  *countingDevice // of b
	load []packet.Superpacket
	read []packet.Superpacket // what the device gives: the router writes to it
}

// eachLoad runs the test in all modes with all loads.
func eachLoad(t *testing.T, joins tun.Joins, test func(t *testing.T, x *allocBench)) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, o := range []byHand{{}, {clear: true}, {partial: true}, {clear: true, partial: true}} {
		for name, load := range loads() {
			t.Run(o.name()+", "+name, func(t *testing.T) { test(t, newAllocBench(t, o, joins, load)) })
		}
	}
}

func (o byHand) name() string {
	name := "sealed"
	if o.clear {
		name = "clear"
	}
	if o.partial {
		name += ", partial"
	}
	return name
}

func newAllocBench(t *testing.T, o byHand, joins tun.Joins, load []packet.Superpacket) *allocBench {
	t.Helper()
	x := &allocBench{a: hand(t, 1, o), load: load}
	x.got = &countingDevice{joins: joins}
	x.got.queues = []tun.Queue{x.got}
	o.dev = x.got
	x.b = hand(t, 2, o)
	introduce(t, x.a, x.b)
	return x
}

// outbound moves a batch through a.
func (x *allocBench) outbound(batch []packet.Superpacket) {
	for len(x.read) < len(batch) {
		x.read = append(x.read, packet.Superpacket{Data: make([]byte, 1<<16)})
	}
	for i, p := range batch {
		data := x.read[i].Data[:cap(x.read[i].Data)]
		x.read[i] = p
		x.read[i].Data = data[:copy(data, p.Data)]
	}
	x.a.lane(0).outbound(x.read[:len(batch)])
}

func TestOutboundAllocatesNothing(t *testing.T) {
	eachLoad(t, tun.Joins{}, func(t *testing.T, x *allocBench) {
		if n := testing.AllocsPerRun(allocRuns, func() { x.outbound(x.load) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if c := x.a.router.Counters(); len(c.Dropped) != 0 || c.Out.Packets == 0 || x.a.sink(0).frames != int(c.Out.Packets) {
			t.Errorf("dropped %v, sent %d frames for %d packets", c.Dropped, x.a.sink(0).frames, c.Out.Packets)
		}
	})
}

// inbound measures b taking the load, in frames that are new each time, as datagrams or as trains.
func (x *allocBench) inbound(t *testing.T, from encap.Endpoint, trains bool) {
	t.Helper()
	batches := make([][]encap.Datagram, 0, allocRuns+1) // AllocsPerRun calls once more, to warm up
	for range allocRuns + 1 {
		batches = append(batches, x.frames(from, trains))
	}
	n := testing.AllocsPerRun(allocRuns, func() {
		x.b.lane(0).inbound(batches[0])
		batches = batches[1:]
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	sent, c := x.a.router.Counters().Out, x.b.router.Counters()
	if len(c.Dropped) != 0 || sent.Packets == 0 || c.In.Packets != sent.Packets || c.In.Bytes != sent.Bytes {
		t.Errorf("dropped %v, %+v of %+v arrived", c.Dropped, c.In, sent)
	}
}

// frames is the load as it comes to b.
func (x *allocBench) frames(from encap.Endpoint, trains bool) (batch []encap.Datagram) {
	to := x.a.sink(0).record()
	x.outbound(x.load)
	if trains {
		for _, t := range to.sent() {
			batch = append(batch, t.datagram(from))
		}
		return batch
	}
	for _, f := range to.each() {
		batch = append(batch, encap.Datagram{From: from, Data: f})
	}
	return batch
}

func TestInboundAllocatesNothing(t *testing.T) {
	eachLoad(t, tun.Joins{}, func(t *testing.T, x *allocBench) {
		x.inbound(t, x.b.from(x.a), false)
		if n := x.b.router.Counters().In.Packets; x.got.packets != int(n) {
			t.Errorf("%d packets of %d written", x.got.packets, n)
		}
	})
}

func TestJoiningTrainsAllocatesNothing(t *testing.T) {
	eachLoad(t, joinsAll, func(t *testing.T, x *allocBench) {
		x.inbound(t, x.b.from(x.a), true)
		if n := int(x.b.router.Counters().In.Packets); x.got.packets > n || len(x.load) < n/(allocRuns+1) && x.got.packets == n {
			t.Errorf("%d packets in %d: nothing was joined", n, x.got.packets)
		}
	})
}

func TestInboundFromAnotherEndpointOfThePeerAllocatesNothingOnceControlKnows(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	x := newAllocBench(t, byHand{}, tun.Joins{}, loads()["a packet"])
	a, b := x.a.id(), x.b.id()
	if bytes.Compare(b[:], a[:]) > 0 {
		t.Fatal("b would follow; choose other identities")
	}
	elsewhere := encap.Endpoint{Addr: netip.AddrPortFrom(addr6(1), testPort), Local: addr6(2)}
	p := x.b.known(x.a)
	p.config.Endpoints = append(p.config.Endpoints, elsewhere.Addr)
	x.b.router.heardFrom(p, elsewhere, heard)
	x.inbound(t, elsewhere, false)
	if n := len(x.b.router.calls); n != 0 {
		t.Errorf("control was woken %d times", n)
	}
}

func TestDroppedPacketsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	x := newAllocBench(t, byHand{}, tun.Joins{}, nil)
	out := []packet.Superpacket{
		{Data: []byte{1}}, {Data: udp(pod(1), netip.MustParseAddr("224.0.0.1"), "")}, {Data: udp(pod(3), pod(2), "")}, {Data: udp(pod(1), pod(9), "")},
	}
	if n := testing.AllocsPerRun(allocRuns, func() { x.outbound(out) }); n != 0 {
		t.Errorf("outbound: %v allocations", n)
	}
	in := []encap.Datagram{
		{Data: []byte{1}}, {Data: encap.Header{Type: encap.Data, Index: 1}.Append(nil)}, {Data: []byte{0x2f, 0, 0, 0, 0, 0, 0, 0}},
	}
	if n := testing.AllocsPerRun(allocRuns, func() { x.b.lane(0).inbound(in) }); n != 0 {
		t.Errorf("inbound: %v allocations", n)
	}
}

func TestATrainReceivedAsOneDatagramIsTakenApart(t *testing.T) {
	p, _ := super(true, pod(1), pod(2), 0)
	x := newAllocBench(t, byHand{}, tun.Joins{}, []packet.Superpacket{p})
	batch := x.frames(x.b.from(x.a), true)
	x.b.lane(0).inbound(batch)
	if len(batch) != 1 || x.got.packets != 11 || len(x.b.drops()) != 0 {
		t.Errorf("%d packets of 11 in %d trains, dropped %v", x.got.packets, len(batch), x.b.drops())
	}
}
