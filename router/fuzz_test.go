package router

import (
	"bytes"
	"math"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// FuzzDatagram gives a node what may come to its port from anywhere: trains of frames of any kind. The session is sealed, so
// nothing of it may come out of the device.
func FuzzDatagram(f *testing.F) {
	head := func(t encap.Type, flags, lane uint8) []byte {
		return append(encap.Header{Type: t, Flags: flags, Lane: lane, Index: 1}.Append(nil), make([]byte, 24)...)
	}
	for t := encap.Initiation; t <= encap.Part; t++ {
		f.Add(head(t, 0, 0), uint16(0))
		f.Add(bytes.Repeat(head(t, encap.FlagClear, 1), 3), uint16(32))
	}
	f.Add([]byte{encap.Version << 4}, uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
		introduce(t, a, b)
		v, dev := &b.lane(0).receiver, b.router.dev.Load()
		v.begin(b.router.table.Load(), dev, b.router.clock())
		v.datagram(&encap.Datagram{From: b.from(a), Data: data, Size: int(size)})
		v.flush()
		if got := dev.queues[0].(*countingDevice).packets; got != 0 {
			t.Errorf("%d packets came out of %x", got, data)
		}
	})
}

// FuzzRelayed gives a node what a member may put into a relay frame: any numbers, and any bytes behind the front. What comes out of the
// device came under the seal of who sent it; what goes on does so once, no longer than it came, and to who is none of those before.
func FuzzRelayed(f *testing.F) {
	for t := range encap.Part + 1 {
		f.Add(uint8(0), uint8(1), uint8(2), []byte{}, encap.Header{Type: t, Index: 1}.Append(nil))
		f.Add(uint8(1), uint8(1), uint8(3), []byte{}, append(encap.Header{Type: t, Index: 1}.Append(nil), make([]byte, 40)...))
	}
	f.Add(uint8(2), uint8(1), uint8(3), []byte{3}, []byte("x"))
	f.Add(uint8(3), uint8(9), uint8(9), []byte{3, 3}, []byte("x"))
	f.Fuzz(func(t *testing.T, limit, source, destination uint8, further, inner []byte) {
		x := newTrio(t, byHand{})
		sides := map[uint8]*side{1: x.a, 2: x.b, 3: x.c}
		number := func(n uint8) trust.Number {
			if s := sides[n]; s != nil {
				return s.num()
			}
			return trust.Number(n)
		}
		var list []trust.Number
		for _, n := range further[:min(len(further), encap.MaxRelays-1)] {
			list = append(list, number(n))
		}
		relays, _ := encap.RelaysOf(list...)
		head := encap.RelayHead{HopLimit: limit, Source: number(source), Destination: number(destination), Further: relays}
		front, err := x.a.known(x.b).session.Current().SealRelay(make([]byte, 0, encap.MaxRelayFront), &head)
		check(t, err)
		to := x.b.sink(0).record()
		if texts, _ := x.take(x.datagram(x.a, append(front, inner...))); len(texts) != 0 {
			t.Errorf("%q came out of the device", texts)
		}
		frames := 0
		for _, train := range to.sent() {
			for _, frame := range train.frames {
				frames++
				if len(frame) > len(front)+len(inner) || train.to.Addr == x.a.endpoint().Addr {
					t.Errorf("%d bytes go on to %v, of %d", len(frame), train.to.Addr, len(front)+len(inner))
				}
			}
		}
		if frames > 1 {
			t.Errorf("%d frames go on for one", frames)
		}
	})
}

// FuzzInner gives a node packets that a peer has sealed: each is delivered, or dropped under one reason.
func FuzzInner(f *testing.F) {
	f.Add(udp(pod(1), pod(2), "good"), uint8(0), uint8(0))
	f.Add(udp(pod6(1), pod6(2), "good"), encap.FlagPartial, uint8(3))
	f.Add(udp(pod(3), pod(2), "spoofed"), uint8(0), uint8(1))
	f.Add(udp(pod(1), netip.MustParseAddr("::ffff:10.244.2.9"), "mapped"), uint8(0), uint8(1))
	f.Fuzz(func(t *testing.T, inner []byte, flags, ecn uint8) {
		a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
		introduce(t, a, b)
		frame, err := a.known(b).session.Current().SealData(make([]byte, 0, len(inner)+64), 0, flags&encap.FlagPartial, inner)
		check(t, err)
		v, dev := &b.lane(0).receiver, b.router.dev.Load()
		v.begin(b.router.table.Load(), dev, b.router.clock())
		v.datagram(&encap.Datagram{From: b.from(a), Data: frame, ECN: ecn & 3})
		v.flush()
		dropped := uint64(0)
		for _, n := range b.drops() {
			dropped += n
		}
		if got := dev.queues[0].(*countingDevice).packets; uint64(got)+dropped != 1 {
			t.Errorf("%d packets delivered and %d dropped of one", got, dropped)
		}
	})
}

// FuzzControl gives a node control frames that a peer has sealed.
func FuzzControl(f *testing.F) {
	f.Add(uint8(encap.Probe), encap.ProbeBody{ID: 1, Observed: netip.MustParseAddrPort("192.0.2.1:9338"), Clock: math.MaxInt64}.Append(nil))
	f.Add(uint8(encap.ProbeReply), encap.ProbeBody{ID: 1, Clock: math.MinInt64}.Append(nil))
	f.Add(uint8(encap.Gossip), make([]byte, 9))
	f.Add(uint8(encap.DialResponse), encap.DialBody{ID: 1, Dialed: []encap.Dialed{{UDP: 9}}}.Append(nil))
	for kind := range uint8(20) {
		f.Add(kind, []byte{})
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
		introduce(t, a, b)
		frame, err := a.known(b).session.Current().SealControl(nil, encap.ControlKind(kind), body)
		check(t, err)
		h, err := encap.ParseHeader(frame)
		check(t, err)
		b.router.handleControl(message{typ: h.Type, from: b.from(a), frame: frame, binding: b.router.indexes.lookup(h.Index)})
		farewell := encap.ControlKind(kind) == encap.Goodbye
		if up := b.known(a).link.Up(); up == farewell {
			t.Errorf("after a frame of kind %d the path is up: %v", kind, up)
		}
	})
}
