package router

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
)

// stream is a flow whose payload is random, so that it is the same at the other end only if every packet came once and in
// order.
type stream struct {
	number    uint16 // its source port
	rng       *rand.Rand
	source    *rand.ChaCha8 // of rng, and of the payload
	sent, got []byte
}

// next is its next packet, or superpacket of TCP.
func (s *stream) next(from, to *loopSide) packet.Superpacket {
	ip := packettest.IP{Src: pod(from.number), Dst: pod(to.number)}
	payload := make([]byte, 1+s.rng.IntN(1200))
	if s.number%2 == 0 {
		_, _ = s.source.Read(payload)
		s.sent = append(s.sent, payload...)
		return packet.Superpacket{Data: packettest.UDP{IP: ip, SrcPort: s.number, DstPort: 9, Payload: payload}.Build()}
	}
	size := len(payload)
	payload = make([]byte, size*(1+s.rng.IntN(10)))
	_, _ = s.source.Read(payload)
	seq := uint32(len(s.sent))
	s.sent = append(s.sent, payload...)
	pkt := packettest.TCP{IP: ip, SrcPort: s.number, DstPort: 9, Seq: seq, Flags: packettest.ACK, Payload: payload}.Build()
	return partial(pkt, size)
}

// traffic is many streams from one side to another.
type traffic struct {
	t        testing.TB
	from, to *loopSide
	streams  []*stream
}

func newTraffic(from, to *loopSide, streams int) *traffic {
	x := &traffic{t: from.t, from: from, to: to}
	for i := range streams {
		source := rand.NewChaCha8([32]byte{byte(i)})
		x.streams = append(x.streams, &stream{number: uint16(i), source: source, rng: rand.New(source)})
	}
	return x
}

// queue is the queue of the sender's device that a stream is on, as a kernel chooses one by the flow.
func (x *traffic) queue(s *stream) int { return int(s.number) % len(x.from.router.lanes) }

// send puts the next packets of each stream into the device.
func (x *traffic) send(each int) {
	x.t.Helper()
	for range each {
		for _, s := range x.streams {
			x.from.put(x.queue(s), s.next(x.from, x.to))
		}
	}
}

// await reads what comes until all has come.
func (x *traffic) await() {
	x.t.Helper()
	await(x.t, "all there", func() bool {
		for queue := range x.to.router.lanes {
			for _, p := range written(x.to.mem.Queue(queue)) {
				x.take(queue, p.Data)
			}
		}
		for _, s := range x.streams {
			if len(s.got) < len(s.sent) {
				return false
			}
		}
		return true
	})
}

func (x *traffic) take(queue int, p []byte) {
	s := x.streams[binary.BigEndian.Uint16(p[20:])]
	if want := x.queue(s) % common(x.from, x.to); queue != want {
		x.t.Errorf("stream %d, from queue %d, comes out at queue %d, want %d", s.number, x.queue(s), queue, want)
	}
	s.got = append(s.got, packettest.Payload(p)...)
}

// check checks that every stream is what was sent.
func (x *traffic) check() {
	x.t.Helper()
	for _, s := range x.streams {
		if !bytes.Equal(s.got, s.sent) {
			x.t.Errorf("stream %d: %d bytes came, not the %d sent, or not in order", s.number, len(s.got), len(s.sent))
		}
	}
}

// lanePairs are numbers of lanes of two routers.
var lanePairs = [][2]int{{1, 8}, {8, 1}, {8, 8}, {3, 2}}

// eachPair runs the test with all of them: sealed with devices that join, and in clear with others.
func eachPair(t *testing.T, test func(t *testing.T, a, b *loopSide)) {
	for _, lanes := range lanePairs {
		for mode, o := range map[string]loopOptions{
			"sealed": {joins: joinsAll, partial: true, spin: 20}, "clear": {clear: true},
		} {
			t.Run(fmt.Sprintf("%d to %d, %s", lanes[0], lanes[1], mode), func(t *testing.T) {
				oa, ob := o, o
				oa.lanes, ob.lanes = lanes[0], lanes[1]
				a, b := loopback(t, 1, oa), loopback(t, 2, ob)
				meet(t, a, b)
				test(t, a, b)
			})
		}
	}
}

func TestEveryPacketOfManyFlowsArrivesOnceInOrderAndInItsLane(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *loopSide) {
		there, back := newTraffic(a, b, 24), newTraffic(b, a, 24)
		for range 3 { // no more on the way than the device's queues hold
			there.send(3)
			back.send(3)
			there.await()
			back.await()
		}
		there.check()
		back.check()
		lossless(t, a, b)
	})
}

func TestFramesOfAQueueTravelInItsLaneModuloTheLanesThatBothHave(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *loopSide) {
		for queue := range a.router.lanes {
			want := queue % common(a, b)
			a.wire.note()
			b.wire.note()
			a.reaches(b, queue)
			out, _ := a.wire.noted()
			_, in := b.wire.noted()
			if len(out) != 1 || out[0].conn != want || int(out[0].lane) != want {
				t.Errorf("queue %d: sent %+v, want one frame of lane %d", queue, out, want)
			}
			if len(in) != 1 || in[0].conn != want || int(in[0].lane) != want {
				t.Errorf("queue %d: came %+v, want one frame of lane %d", queue, in, want)
			}
			port := a.endpoint().Addr.Port()
			if own := in[0].remote.Addr.Port() == port; own != (want == 0) {
				t.Errorf("lane %d came from %v, and the port is %d", want, in[0].remote, port)
			}
			if at := b.peer(a.side).Endpoint; at != a.endpoint().Addr {
				t.Errorf("lane %d made the path lead to %v", want, at)
			}
		}
		lossless(t, a, b)
	})
}

func TestTrafficThatComesToTheWrongConnectionsArrivesOnceAndInOrder(t *testing.T) {
	for _, skew := range []int{1, 3} {
		a, b := loopback(t, 1, loopOptions{lanes: 4}), loopback(t, 2, loopOptions{lanes: 4, skew: skew})
		meet(t, a, b)
		x := newTraffic(a, b, 8) // fewer frames on the way than a mailbox holds
		for range 10 {
			x.send(1)
			x.await()
		}
		x.check()
		lossless(t, a, b)
		var frames, misdirected uint64
		for _, l := range b.router.Lanes() {
			frames, misdirected = frames+l.Delivered, misdirected+l.Misdirected
		}
		if misdirected != frames || frames == 0 {
			t.Errorf("%d of %d frames misdirected, want all", misdirected, frames)
		}
	}
}

// stranger is a socket at an address of loopback that is not a router's.
func stranger(t *testing.T, at string) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at+":0")))
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestAClearFrameOfAnotherLaneIsTakenFromThePeersAddressOnly(t *testing.T) {
	o := loopOptions{clear: true, lanes: 2}
	a, b := loopback(t, 1, o), loopback(t, 2, o)
	meet(t, a, b)
	keys := a.internal(b.side).session.Current()
	frame := make([]byte, encap.HeaderLen, 100)
	for _, c := range []struct {
		at   string
		lane uint8
		ok   bool
	}{
		{"127.0.0.1", 1, true}, {"127.0.0.1", 0, false}, {"127.0.0.7", 1, false}, {"127.0.0.7", 0, false},
	} {
		before := b.lost()[WrongEndpoint]
		keys.PutClearHeader(frame, c.lane, 0)
		_, err := stranger(t, c.at).WriteToUDPAddrPort(append(frame, udp(pod(1), pod(2), c.at)...), b.endpoint().Addr)
		check(t, err)
		if c.ok {
			b.get(int(c.lane), 1)
			continue
		}
		await(t, "refused", func() bool { return b.lost()[WrongEndpoint] == before+1 })
	}
	if n := len(written(b.mem.Queue(0))) + len(written(b.mem.Queue(1))); n != 0 {
		t.Errorf("%d packets more", n)
	}
}

func TestASealedFrameOfAnotherLaneMovesNoPathAndOneOfLane0Does(t *testing.T) {
	o := loopOptions{lanes: 2}
	a, b := loopback(t, 1, o), loopback(t, 2, o)
	meet(t, a, b)
	keys := a.internal(b.side).session.Current()
	for _, lane := range []uint8{1, 0} {
		frame, err := keys.SealData(make([]byte, 0, 200), lane, 0, udp(pod(1), pod(2), "moved"))
		check(t, err)
		conn := stranger(t, "127.0.0.7")
		_, err = conn.WriteToUDPAddrPort(frame, b.endpoint().Addr)
		check(t, err)
		b.get(int(lane), 1)
		at := netip.MustParseAddrPort(conn.LocalAddr().String())
		if lane == 0 {
			await(t, "followed", func() bool { return b.movedTo(at) }) // what a still sends itself may have moved it back since
		} else if got := b.peer(a.side).Endpoint; got != a.endpoint().Addr {
			t.Errorf("a frame of lane %d made the path lead to %v", lane, got)
		}
	}
}

func TestARouterHasNoMoreLanesThanItsDeviceHasQueues(t *testing.T) {
	a := hand(t, 1, byHand{lanes: 4, dev: memory(t, 3, tun.Joins{})})
	if n := len(a.router.Lanes()); n != 3 {
		t.Errorf("%d lanes", n)
	}
}
