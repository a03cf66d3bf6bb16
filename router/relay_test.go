package router

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// numbers are those of sides.
func numbersOf(sides []*side) (list []trust.Number) {
	for _, s := range sides {
		list = append(list, s.num())
	}
	return list
}

// leadThrough makes s send to p through relays, in the control goroutine or by hand.
func (s *side) leadThrough(p *side, relays ...*side) {
	s.t.Helper()
	to := s.known(p)
	w, err := s.router.newRoute(to, s.known(relays[0]), numbersOf(relays[1:])...)
	check(s.t, err)
	s.router.reroute(to, w)
	s.router.follow(to, to.relayedAt)
}

// sendThrough is leadThrough for a router that runs.
func (s *side) sendThrough(p *side, relays ...*side) {
	s.t.Helper()
	check(s.t, s.router.call(func() { s.leadThrough(p, relays...) }))
}

// chain is nodes by hand of which the first sends to the last through all others.
type chain struct {
	t     testing.TB
	sides []*side
	dev   *tun.PolledMemory // of the last
}

func newChain(t testing.TB, o byHand, relays int, joins tun.Joins) *chain {
	t.Helper()
	x := &chain{t: t, dev: memory(t, max(1, o.lanes), joins)}
	for i := range relays + 1 {
		x.sides = append(x.sides, hand(t, i+1, o))
	}
	o.dev = x.dev
	x.sides = append(x.sides, hand(t, relays+2, o))
	introduce(t, x.sides...)
	x.first().leadThrough(x.last(), x.relays()...)
	for _, s := range x.sides {
		for i := range s.router.lanes {
			s.sink(i).record()
		}
	}
	return x
}

func (x *chain) first() *side    { return x.sides[0] }
func (x *chain) last() *side     { return x.sides[len(x.sides)-1] }
func (x *chain) relays() []*side { return x.sides[1 : len(x.sides)-1] }

// packet is one from the first node to the last.
func (x *chain) packet(text string) []byte { return udp(pod(1), pod(x.last().number), text) }

// hand gives node i what node i-1 has sent, as its kernel does.
func (x *chain) hand(i int) (trains []sentTrain) {
	from, to := x.sides[i-1], x.sides[i]
	for lane := range from.router.lanes {
		for _, t := range from.sink(lane).sent() {
			if t.to.Addr != to.endpoint().Addr {
				x.t.Errorf("a train to %s, not to %s", t.to.Addr, to.name)
			}
			d := t.datagram(to.from(from))
			d.DSCP = t.dscp
			at := int(t.frames[0][2]) % len(to.router.lanes)
			to.lane(at).inbound([]encap.Datagram{d})
			trains = append(trains, t)
		}
	}
	return trains
}

// carry takes a batch from the first node's device to the last one's, and returns what was sent on each hop.
func (x *chain) carry(batch ...packet.Superpacket) (hops [][]sentTrain, got []packet.Superpacket) {
	x.t.Helper()
	x.first().lane(0).outbound(batch)
	for i := 1; i < len(x.sides); i++ {
		hops = append(hops, x.hand(i))
	}
	got = written(x.dev.Queue(0))
	for _, p := range got { // as the last node's kernel does
		if p.Partial() {
			check(x.t, packet.CompleteChecksum(p.Data, p.ChecksumStart, p.ChecksumOffset))
		}
	}
	return hops, got
}

// drops are those of all nodes.
func (x *chain) drops() (list []string) {
	for _, s := range x.sides {
		for reason, n := range s.drops() {
			list = append(list, fmt.Sprintf("%s: %d %v", s.name, n, reason))
		}
	}
	return list
}

// eachChain runs the test in all modes, through 1 to 3 relays.
func eachChain(t *testing.T, joins tun.Joins, test func(t *testing.T, x *chain)) {
	for _, o := range []byHand{{}, {clear: true}, {partial: true}, {clear: true, partial: true}} {
		for relays := 1; relays <= encap.MaxRelays; relays++ {
			t.Run(fmt.Sprintf("%s, %d relays", o.name(), relays), func(t *testing.T) { test(t, newChain(t, o, relays, joins)) })
		}
	}
}

func TestWhatGoesThroughRelaysArrivesAsItWas(t *testing.T) {
	eachChain(t, tun.Joins{}, func(t *testing.T, x *chain) {
		small, big := x.packet("small"), x.packet(string(make([]byte, 1100)))
		_, got := x.carry(packet.Superpacket{Data: small}, partial(big, 0), packet.Superpacket{Data: small})
		if len(got) != 3 || !bytes.Equal(got[0].Data, small) || !bytes.Equal(got[1].Data, big) || !bytes.Equal(got[2].Data, small) {
			t.Errorf("%d packets arrived", len(got))
		}
		if d := x.drops(); len(d) > 0 {
			t.Errorf("dropped %v", d)
		}
		for _, s := range x.relays() {
			if c := s.router.Counters(); c.Relayed.Packets != 3 || c.In.Packets != 0 || s.known(x.first()).status(s.router).Relayed.Packets != 3 {
				t.Errorf("%s counts %+v", s.name, c)
			}
		}
	})
}

func TestARelaySendsATrainOnAsATrain(t *testing.T) {
	eachChain(t, tun.Joins{}, func(t *testing.T, x *chain) {
		p, payload := super(true, pod(1), pod(x.last().number), 0)
		hops, got := x.carry(p)
		for i, trains := range hops {
			if len(trains) != 1 || len(trains[0].frames) != 11 {
				t.Fatalf("hop %d: %d trains", i, len(trains))
			}
			front := encap.RelayOverhead(max(1, len(x.relays())-i))
			if frame := trains[0].frames[0]; len(frame) != trains[0].size || frame[0]&15 != byte(encap.Relay) || frame[front]&15 != byte(encap.Data) {
				t.Errorf("hop %d: a train of frames of %d bytes begins with %x", i, trains[0].size, frame[:front+1])
			}
		}
		var segments [][]byte
		for i := range got {
			segments = append(segments, got[i].Data)
		}
		checkSegments(t, segments, payload)
	})
}

// In clear nothing protects a packet on all of its way but its own checksum.
func TestAPacketInClearGoesThroughARelayWithItsChecksumComplete(t *testing.T) {
	for _, o := range []byHand{{partial: true}, {clear: true, partial: true}} {
		x := newChain(t, o, 1, tun.Joins{})
		p, _ := super(true, pod(1), pod(3), 0)
		for _, load := range []packet.Superpacket{partial(x.packet("single"), 0), p} {
			hops, _ := x.carry(load)
			inner, err := encap.ParseHeader(hops[0][0].frames[0][encap.RelayOverhead(1):])
			if err != nil || inner.Partial() == o.clear {
				t.Errorf("%s: a frame with partial checksum %v, %v", o.name(), inner.Partial(), err)
			}
		}
	}
}

func TestAFrameGoesInPartsThroughRelaysThatAreNarrow(t *testing.T) {
	eachChain(t, tun.Joins{}, func(t *testing.T, x *chain) {
		const narrow = 700
		x.first().known(x.last()).fit.Store(&fit{whole: narrow, long: narrow})
		big := x.packet(string(make([]byte, 1100)))
		hops, got := x.carry(packet.Superpacket{Data: bytes.Clone(big)})
		for i, trains := range hops {
			if len(trains) != 1 || len(trains[0].frames) < 2 || trains[0].size > narrow {
				t.Errorf("hop %d: %d trains, of frames of %d bytes", i, len(trains), trains[0].size)
			}
		}
		if len(got) != 1 || !bytes.Equal(got[0].Data, big) || len(x.drops()) > 0 {
			t.Errorf("%d packets arrived, dropped %v", len(got), x.drops())
		}
	})
}

func TestARelayedFrameIsTakenOnceByEachNode(t *testing.T) {
	x := newChain(t, byHand{}, 1, tun.Joins{})
	x.first().lane(0).outbound([]packet.Superpacket{{Data: x.packet("once")}})
	first := x.first().sink(0).sent()
	relay, last := x.sides[1], x.last()
	for range 2 {
		relay.lane(0).inbound([]encap.Datagram{first[0].datagram(relay.from(x.first()))})
	}
	second := relay.sink(0).sent()
	if d := relay.drops(); len(second) != 1 || d[Replayed] != 1 {
		t.Fatalf("the relay sends %d trains, drops %v", len(second), d)
	}
	for range 2 {
		last.lane(0).inbound([]encap.Datagram{second[0].datagram(last.from(relay))})
	}
	if got, d := written(x.dev.Queue(0)), last.drops(); len(got) != 1 || d[Replayed] != 1 {
		t.Errorf("%d packets, dropped %v", len(got), d)
	}
}

func TestATamperedFrontGoesNowhere(t *testing.T) {
	x := newChain(t, byHand{clear: true}, 2, tun.Joins{})
	x.first().lane(0).outbound([]packet.Superpacket{{Data: x.packet("packet")}})
	train, relay := x.first().sink(0).sent()[0], x.sides[1]
	var forged uint64
	for at := encap.HeaderLen; at < encap.RelayOverhead(2); at++ {
		bad := bytes.Clone(train.frames[0])
		bad[at] ^= 0x01
		relay.lane(0).inbound([]encap.Datagram{{From: relay.from(x.first()), Data: bad}})
		forged++
	}
	if sent := relay.sink(0).sent(); len(sent) > 0 {
		t.Errorf("%d trains are carried on", len(sent))
	}
	if d := relay.drops(); d[AuthFailed]+d[BadFrame]+d[Replayed] != forged {
		t.Errorf("dropped %v of %d", d, forged)
	}
	relay.lane(0).inbound([]encap.Datagram{train.datagram(relay.from(x.first()))})
	if sent := relay.sink(0).sent(); len(sent) != 1 {
		t.Errorf("after them the true frame makes %d trains", len(sent))
	}
}

// A relay sees who talks to whom, and can lose frames; what it changes of a sealed frame is found at the end.
func TestARelayCannotChangeASealedFrame(t *testing.T) {
	x := newChain(t, byHand{}, 1, tun.Joins{})
	x.first().lane(0).outbound([]packet.Superpacket{{Data: x.packet("packet")}})
	x.hand(1)
	train, last := x.sides[1].sink(0).sent()[0], x.last()
	train.frames[0][len(train.frames[0])-1] ^= 1
	last.lane(0).inbound([]encap.Datagram{train.datagram(last.from(x.sides[1]))})
	if got, d := written(x.dev.Queue(0)), last.drops(); len(got) != 0 || d[AuthFailed] != 1 {
		t.Errorf("%d packets, dropped %v", len(got), d)
	}
}

func TestMarksOfTheUnderlayGoOnThroughRelays(t *testing.T) {
	for _, o := range []byHand{{}, {clear: true}} {
		x := newChain(t, o, 2, tun.Joins{})
		capable := packettest.UDP{IP: packettest.IP{Src: pod(1), Dst: pod(4), TOS: 2}, SrcPort: 1, DstPort: 2}.Build() // ECT(0)
		x.first().lane(0).outbound([]packet.Superpacket{{Data: capable}})
		first := x.first().sink(0).sent()[0]
		if first.ecn != 2 {
			t.Errorf("the first hop has ECN %d", first.ecn)
		}
		d := first.datagram(x.sides[1].from(x.first()))
		d.ECN, d.DSCP = ecnCE, 46 // a router on the way was congested, and another knows what hurries
		x.sides[1].lane(0).inbound([]encap.Datagram{d})
		if next := x.hand(2)[0]; next.ecn != ecnCE || next.dscp != 46 {
			t.Errorf("the second hop has ECN %d, DSCP %d", next.ecn, next.dscp)
		}
		x.hand(3)
		if got := written(x.dev.Queue(0)); len(got) != 1 || ecnOf(got[0].Data) != ecnCE {
			t.Errorf("%d packets arrive, or unmarked", len(got))
		}
	}
}

func TestFramesWithDifferentMarksAreNoTrain(t *testing.T) {
	x := newChain(t, byHand{}, 1, tun.Joins{})
	var batch []encap.Datagram
	for i := range 3 {
		x.first().lane(0).outbound([]packet.Superpacket{{Data: x.packet("equal")}})
		d := x.first().sink(0).sent()[0].datagram(x.sides[1].from(x.first()))
		d.ECN = []uint8{0, 0, ecnCE}[i]
		batch = append(batch, d)
	}
	x.sides[1].lane(0).inbound(batch)
	if sent := x.sides[1].sink(0).sent(); len(sent) != 2 || len(sent[0].frames) != 2 || sent[1].ecn != ecnCE {
		t.Errorf("trains %+v", sent)
	}
}

func TestAShorterFrameEndsATrainAtTheRelay(t *testing.T) {
	x := newChain(t, byHand{}, 1, tun.Joins{})
	lengths := []string{"equal", "equal", "less", "less", "longer one"}
	var batch []encap.Datagram
	for _, text := range lengths {
		x.first().lane(0).outbound([]packet.Superpacket{{Data: x.packet(text)}})
		batch = append(batch, x.first().sink(0).sent()[0].datagram(x.sides[1].from(x.first())))
	}
	x.sides[1].lane(0).inbound(batch)
	var got []int
	for _, train := range x.sides[1].sink(0).sent() {
		got = append(got, len(train.frames))
	}
	if !slices.Equal(got, []int{3, 1, 1}) {
		t.Errorf("trains of %v frames", got)
	}
}

func TestMoreFramesThanOneSendTakesAreAllCarriedOn(t *testing.T) {
	x := newChain(t, byHand{}, 2, tun.Joins{})
	x.sides[1].router.SetRelaying(Relaying{Frames: -1})
	const count = forwardBufs + forwardBufs/2
	var batch []encap.Datagram
	for i := range count {
		x.first().lane(0).outbound([]packet.Superpacket{{Data: x.packet(fmt.Sprint(i))}})
		batch = append(batch, x.first().sink(0).sent()[0].datagram(x.sides[1].from(x.first())))
	}
	x.sides[1].lane(0).inbound(batch)
	if n := x.sides[1].sink(0).frames; n != count {
		t.Errorf("%d frames of %d, dropped %v", n, count, x.sides[1].drops())
	}
}

func TestEachLaneIsCarriedOnInALane(t *testing.T) {
	x := newChain(t, byHand{lanes: 2}, 1, tun.Joins{})
	for lane := range 2 {
		x.first().lane(lane).outbound([]packet.Superpacket{{Data: x.packet(fmt.Sprint("lane ", lane))}})
		for i := 1; i < len(x.sides); i++ {
			trains := x.hand(i)
			if len(trains) != 1 || int(trains[0].frames[0][2]) != lane {
				t.Fatalf("hop %d of lane %d: %+v", i, lane, trains)
			}
		}
		if got := written(x.dev.Queue(lane)); len(got) != 1 {
			t.Errorf("lane %d: %d packets, dropped %v", lane, len(got), x.drops())
		}
	}
}

func TestARelayFrameThatComesToTheWrongConnectionIsCarriedOverToItsLane(t *testing.T) {
	x := newChain(t, byHand{lanes: 2}, 1, tun.Joins{})
	relay := x.sides[1]
	for _, l := range relay.router.lanes {
		l.poller = newTestPoller(t)
	}
	x.first().lane(1).outbound([]packet.Superpacket{{Data: x.packet("packet")}})
	d := x.first().sink(1).sent()[0].datagram(relay.from(x.first()))
	d.ECN, d.DSCP = 1, 46
	relay.lane(0).inbound([]encap.Datagram{d})
	if sent := relay.sink(0).sent(); len(sent) != 0 || !relay.lane(1).takeMail() {
		t.Errorf("%d trains sent, or lane 1 has no mail", len(sent))
	}
	if sent := relay.sink(1).sent(); len(sent) != 1 || sent[0].ecn != 1 || sent[0].dscp != 46 {
		t.Errorf("lane 1 sends %+v, dropped %v", sent, relay.drops())
	}
}

func TestWhatOneSourceMayRelayIsMeasuredBySource(t *testing.T) {
	limit := Relaying{Frames: 100, Bytes: -1}
	var c, other carriage
	clock, passed := int64(time.Hour), 0
	for range 1000 { // a second
		clock += int64(time.Millisecond)
		if c.take(&limit, 1000, clock) {
			passed++
		}
	}
	if passed < 100 || passed > 112 { // and what may come at once
		t.Errorf("%d frames of 1000 pass a limit of 100", passed)
	}
	if !other.take(&limit, 1000, clock) {
		t.Error("the frames of one source are counted for another")
	}
	bytes := Relaying{Frames: -1, Bytes: 50_000}
	passed = 0
	for range 1000 {
		clock += int64(time.Millisecond)
		if other.take(&bytes, 1000, clock) {
			passed++
		}
	}
	if passed < 50 || passed > 57 {
		t.Errorf("%d frames of 1000 bytes pass a limit of 50000", passed)
	}
}

func TestARouteLeadsOverNoNodeTwice(t *testing.T) {
	a, b, c := hand(t, 1, byHand{}), hand(t, 2, byHand{}), hand(t, 3, byHand{})
	introduce(t, a, b, c)
	to, first := a.known(c), a.known(b)
	for _, further := range [][]trust.Number{{b.num()}, {c.num()}, {a.num()}, {7, 7}, {7, 8, 9}} {
		if _, err := a.router.newRoute(to, first, further...); err == nil {
			t.Errorf("a route by b and then %v", further)
		}
	}
	if _, err := a.router.newRoute(to, to); err == nil {
		t.Error("a route by its end")
	}
	if w, err := a.router.newRoute(to, first, 7, 8); err != nil || w.front != encap.MaxRelayFront {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestAPathThroughRelaysWithoutARouteDropsUnderItsReason(t *testing.T) {
	x := newChain(t, byHand{}, 1, tun.Joins{})
	p, _ := super(true, pod(1), pod(3), 0)
	x.first().router.reroute(x.first().known(x.last()), nil)
	x.first().lane(0).outbound([]packet.Superpacket{p})
	if d := x.first().drops(); d[RelayDown] != 11 || len(d) != 1 {
		t.Errorf("dropped %v", d)
	}
}

func TestASharedNumberIsNobodys(t *testing.T) {
	s := newSnapshot()
	one, two := &peer{number: 7}, &peer{number: 7}
	if !s.number(one) || s.numbers[7] != one {
		t.Error("a number of one node")
	}
	if s.number(two) || s.numbers[7] != nil {
		t.Error("a number of two nodes is somebody's")
	}
}
