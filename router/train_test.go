package router

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
	"pgregory.net/rapid"
)

// yard is a node by hand that sends to two others.
type yard struct {
	t       *testing.T
	a, b, c *side
}

func newYard(t *testing.T, o byHand) *yard {
	t.Helper()
	y := &yard{t: t, a: hand(t, 1, o)}
	y.b = hand(t, 2, byHand{clear: o.clear, lanes: o.lanes, dev: memory(t, max(1, o.lanes), tun.Joins{})})
	y.c = hand(t, 3, byHand{clear: o.clear, lanes: o.lanes, dev: memory(t, max(1, o.lanes), tun.Joins{})})
	introduce(t, y.a, y.b, y.c)
	return y
}

// yards runs the test sealed and in clear.
func yards(t *testing.T, o byHand, test func(t *testing.T, y *yard)) {
	for _, o.clear = range []bool{false, true} {
		t.Run(o.name(), func(t *testing.T) { test(t, newYard(t, o)) })
	}
}

// trains is what a makes of a batch.
func (y *yard) trains(batch ...packet.Superpacket) []sentTrain {
	to := y.a.sink(0).record()
	batch = slices.Clone(batch)
	for i := range batch {
		batch[i].Data = slices.Clone(batch[i].Data) // the router writes to them
	}
	y.a.lane(0).outbound(batch)
	return to.sent()
}

// counts is the number of frames of each train.
func counts(trains []sentTrain) (list []int) {
	for _, t := range trains {
		list = append(list, len(t.frames))
	}
	return list
}

// deliver gives trains to whom they are addressed.
func (y *yard) deliver(trains []sentTrain) {
	for _, t := range trains {
		for _, s := range []*side{y.b, y.c} {
			if t.to.Addr == s.endpoint().Addr {
				s.lane(0).inbound([]encap.Datagram{t.datagram(s.from(y.a))})
			}
		}
	}
}

// device is the device of one of the others.
func (y *yard) device(s *side) *tun.PolledMemory { return s.router.cfg.Device.(*tun.PolledMemory) }

// got is the packets that came out at s.
func (y *yard) got(s *side) (packets [][]byte) {
	y.t.Helper()
	for _, p := range written(y.device(s).Queue(0)) {
		packets = append(packets, p.Data)
	}
	if d := s.drops(); len(d) != 0 {
		y.t.Errorf("%s dropped %v", s.name, d)
	}
	return packets
}

// small is a packet of n bytes from node 1 to a node.
func small(to, n int) packet.Superpacket { return marked(to, n, 0) }

// marked is small with an ECN codepoint.
func marked(to, n int, ecn uint8) packet.Superpacket {
	ip := packettest.IP{Src: pod(1), Dst: pod(to), TOS: ecn}
	return packet.Superpacket{Data: packettest.UDP{IP: ip, SrcPort: 7, DstPort: 9, Payload: make([]byte, n-28)}.Build()}
}

func TestSmallPacketsAreGroupedByLengthPeerAndCodepoint(t *testing.T) {
	eight := slices.Repeat([]packet.Superpacket{small(2, 100)}, 8)
	yards(t, byHand{}, func(t *testing.T, y *yard) {
		for name, c := range map[string]struct {
			batch []packet.Superpacket
			want  []int
		}{
			"one":                           {eight[:1], []int{1}},
			"equal ones":                    {eight, []int{8}},
			"a shorter one ends it":         {slices.Concat(eight, []packet.Superpacket{small(2, 90)}, eight), []int{9, 8}},
			"two shorter ones":              {slices.Concat(eight, []packet.Superpacket{small(2, 90), small(2, 90), small(2, 80)}), []int{9, 2}},
			"a longer one begins a new one": {slices.Concat(eight, []packet.Superpacket{small(2, 110)}, eight), []int{8, 2, 7}},
			"another peer":                  {slices.Concat(eight, []packet.Superpacket{small(3, 100)}, eight), []int{8, 1, 8}},
			"peers by turns":                {[]packet.Superpacket{small(2, 100), small(3, 100), small(2, 100), small(3, 100)}, []int{1, 1, 1, 1}},
			"another codepoint":             {slices.Concat(eight, []packet.Superpacket{marked(2, 100, 2)}, eight), []int{8, 1, 8}},
			"CE":                            {slices.Concat(eight, []packet.Superpacket{marked(2, 90, 3)}), []int{8, 1}},
			"a dropped one between":         {slices.Concat(eight, []packet.Superpacket{small(9, 100)}, eight), []int{16}},
			"DSCP makes no difference":      {slices.Concat(eight, []packet.Superpacket{marked(2, 100, 46<<2)}, eight), []int{17}},
		} {
			trains := y.trains(c.batch...)
			if got := counts(trains); !slices.Equal(got, c.want) {
				t.Errorf("%s: trains of %v, want %v", name, got, c.want)
			}
			for _, train := range trains {
				checkTrain(t, y, train)
			}
		}
	})
}

// checkTrain checks what encap asks of every train, and that a sealed one is a single piece of memory.
func checkTrain(t rapid.TB, y *yard, train sentTrain) {
	t.Helper()
	last := len(train.frames) - 1
	for i, f := range train.frames {
		if i < last && len(f) != train.size || i == last && len(f) > train.size {
			t.Errorf("frame %d of %d has %d bytes, and the train's size is %d", i, last+1, len(f), train.size)
		}
	}
	want := 1
	if !y.a.local.Settings.Encryption {
		want = 2 * len(train.frames) // headers, and the payload where it lies
	}
	if train.pieces != want {
		t.Errorf("a train of %d frames in %d pieces, want %d", len(train.frames), train.pieces, want)
	}
}

func TestATrainOfSmallPacketsFitsOneSend(t *testing.T) {
	yards(t, byHand{}, func(t *testing.T, y *yard) {
		for length, most := range map[int]int{
			48:   maxTrainFrames,
			1400: encap.MaxTrainBytes / len(y.trains(small(2, 1400))[0].frames[0]),
		} {
			batch := slices.Repeat([]packet.Superpacket{small(2, length)}, 2*most+1)
			if got := counts(y.trains(batch...)); !slices.Equal(got, []int{most, most, 1}) {
				t.Errorf("%d bytes: trains of %v, want %d in each", length, got, most)
			}
		}
	})
}

// tenSegments is a superpacket of full segments, each a packet of 1240 bytes.
func tenSegments() packet.Superpacket {
	ip := packettest.IP{Src: pod(1), Dst: pod(2)}
	return packet.Superpacket{Data: packettest.TCP{IP: ip, SrcPort: 1, DstPort: 2, Payload: make([]byte, 12000)}.Build(), SegmentSize: 1200}
}

func TestTheFramesOfASuperpacketAreOneTrain(t *testing.T) {
	yards(t, byHand{}, func(t *testing.T, y *yard) {
		for _, segment := range []int{8, 100, 536, 1200, 1448} {
			for _, total := range []int{1, 3000, 65000} {
				pkt := packettest.TCP{IP: packettest.IP{Src: pod(1), Dst: pod(2)}, SrcPort: 1, DstPort: 2, Payload: make([]byte, min(total, 1000*segment))}.Build()
				want := max(1, (len(pkt)-40+segment-1)/segment)
				trains := y.trains(packet.Superpacket{Data: pkt, SegmentSize: segment})
				if got := counts(trains); !slices.Equal(got, []int{want}) {
					t.Errorf("%d bytes by %d: trains of %v, want one of %d", len(pkt), segment, got, want)
					continue
				}
				checkTrain(t, y, trains[0])
			}
		}
	})
}

func TestASuperpacketGoesOnWithTheTrainOfPacketsOfItsLength(t *testing.T) {
	yards(t, byHand{}, func(t *testing.T, y *yard) {
		long, _ := super(true, pod(1), pod(2), 0) // 10 of 1240 bytes and a short one
		full, equal, other := tenSegments(), small(2, 1240), small(2, 1239)
		for name, c := range map[string]struct {
			batch []packet.Superpacket
			want  []int
		}{
			"equal before and behind":           {[]packet.Superpacket{equal, full, equal}, []int{12}},
			"its short end closes":              {[]packet.Superpacket{equal, long, equal}, []int{12, 1}},
			"longer than what is before":        {[]packet.Superpacket{other, full}, []int{1, 10}},
			"shorter than what is before":       {[]packet.Superpacket{small(2, 1241), full}, []int{1, 10}},
			"a shorter one behind":              {[]packet.Superpacket{full, other, other}, []int{11, 1}},
			"too many for one":                  {slices.Repeat([]packet.Superpacket{full}, 6), []int{50, 10}},
			"another peer's between":            {[]packet.Superpacket{full, small(3, 1240), full}, []int{10, 1, 10}},
			"one segment shorter than it might": {[]packet.Superpacket{equal, {Data: equal.Data, SegmentSize: 1400}, equal}, []int{3}},
		} {
			trains := y.trains(c.batch...)
			if got := counts(trains); !slices.Equal(got, c.want) {
				t.Errorf("%s: trains of %v, want %v", name, got, c.want)
			}
			for _, train := range trains {
				checkTrain(t, y, train)
			}
			y.deliver(trains)
			if n, m := len(y.got(y.b))+len(y.got(y.c)), sum(c.want); n != m {
				t.Errorf("%s: %d packets arrived, want %d", name, n, m)
			}
		}
	})
}

func sum(list []int) (n int) {
	for _, v := range list {
		n += v
	}
	return n
}

func TestAPathOrKeysThatChangeBetweenTwoPacketsEndTheTrain(t *testing.T) {
	y := newYard(t, byHand{})
	s := &y.a.lane(0).sender
	table := y.a.router.table.Load()
	to := y.a.sink(0).record()
	route := func() {
		p := small(2, 100)
		s.route(table, &p, 1)
	}
	route()
	elsewhere := encap.Endpoint{Addr: netip.AddrPortFrom(addr4(22), testPort)}
	y.a.router.follow(y.a.known(y.b), elsewhere)
	route()
	route()
	path := y.a.known(y.b).path.Load()
	shake(t, y.a, y.b) // new keys
	y.a.known(y.b).path.Store(path)
	route()
	s.flush()
	trains := to.sent()
	if got := counts(trains); !slices.Equal(got, []int{1, 2, 1}) {
		t.Fatalf("trains of %v", got)
	}
	if trains[0].to == elsewhere || trains[1].to != elsewhere || trains[2].to != elsewhere {
		t.Errorf("sent to %v, %v and %v", trains[0].to, trains[1].to, trains[2].to)
	}
	if index := func(i int) string { return string(trains[i].frames[0][4:8]) }; index(1) == index(2) {
		t.Error("the last one has the keys of before")
	}
}

// exhaust leaves so many counters to the keys of a lane before they reach their hard stop. It reaches into encap, for 2^40
// frames would take too long.
func exhaust(t testing.TB, k *encap.Keypair, lane uint8, left uint64) {
	t.Helper()
	if _, err := k.SealData(make([]byte, 0, 64), lane, 0, nil); err != nil { // makes the lane's keys
		t.Fatal(err)
	}
	pointer := reflect.ValueOf(k).Elem().FieldByName("data").Index(int(lane)).FieldByName("sealer") // an atomic.Pointer
	sealer := pointer.Type().Field(0).Type.Elem().Elem()                                            // from its [0]*sealer
	sent, ok := sealer.FieldByName("sent")
	if !ok {
		t.Fatal("encap's sealer has no field sent")
	}
	counter := (*atomic.Uint64)(unsafe.Add(pointer.FieldByName("v").UnsafePointer(), sent.Offset))
	if counter.Load() == 0 {
		t.Fatal("the counter is not where it was")
	}
	counter.Store(1<<40 - left)
}

func TestKeysThatEndInTheMiddleOfASuperpacketLeaveTheTrainBeforeItIntact(t *testing.T) {
	full := tenSegments()
	for _, before := range []int{0, 1, 4} {
		for _, left := range []int{0, 9} {
			t.Run(fmt.Sprintf("%d packets before, %d segments sealed", before, left), func(t *testing.T) {
				y := newYard(t, byHand{})
				exhaust(t, y.a.known(y.b).session.Current(), 0, uint64(before+left))
				var batch []packet.Superpacket
				var want [][]byte
				for i := range before {
					p := udp(pod(1), pod(2), fmt.Sprintf("%01212d", i)) // as long as a segment
					batch, want = append(batch, packet.Superpacket{Data: p}), append(want, bytes.Clone(p))
				}
				other := small(3, 1240)
				trains := y.trains(append(batch, full, other)...)
				y.deliver(trains)
				if got := y.got(y.b); !slices.EqualFunc(got, want, bytes.Equal) {
					t.Errorf("%d packets arrived, or others than the %d before", len(got), before)
				}
				if got := y.got(y.c); len(got) != 1 || !bytes.Equal(got[0], other.Data) {
					t.Errorf("the other peer got %d packets", len(got))
				}
				if got := y.a.drops(); len(got) != 1 || got[KeyExhausted] != 10 {
					t.Errorf("dropped %v, want the 10 segments", got)
				}
			})
		}
	}
}

func TestAPacketForWhichThereIsNoKeyLeavesTheTrainBeforeItIntact(t *testing.T) {
	y := newYard(t, byHand{})
	exhaust(t, y.a.known(y.b).session.Current(), 0, 3)
	trains := y.trains(slices.Repeat([]packet.Superpacket{small(2, 100)}, 5)...)
	y.deliver(trains)
	if got := y.got(y.b); len(got) != 3 || y.a.drops()[KeyExhausted] != 2 {
		t.Errorf("%d packets arrived, dropped %v", len(got), y.a.drops())
	}
}

func TestTrainsDoNotGoAcrossTheLanesThatTheyTravelIn(t *testing.T) {
	y := newYard(t, byHand{lanes: 4})
	y.a.known(y.c).lanes = 1 // its addresses are translated on the way
	y.a.router.follow(y.a.known(y.c), y.c.endpoint())
	for i := range 4 {
		y.a.sink(i).record()
	}
	y.a.lane(3).outbound([]packet.Superpacket{small(2, 100), small(2, 100), small(3, 100), small(2, 100), small(3, 100)})
	if got := counts(y.a.sink(3).sent()); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("lane 3 sent trains of %v", got)
	}
	if got := counts(y.a.sink(0).sent()); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("lane 0 sent trains of %v", got)
	}
}
