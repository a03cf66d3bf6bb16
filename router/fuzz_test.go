package router

import (
	"bytes"
	"math"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
)

// FuzzDatagram gives a node what may come to its port from anywhere: trains of frames of any kind. The session is sealed, so
// nothing of it may come out of the device.
func FuzzDatagram(f *testing.F) {
	head := func(t encap.Type, flags, lane uint8) []byte {
		return append(encap.Header{Type: t, Flags: flags, Lane: lane, Index: 1}.Append(nil), make([]byte, 24)...)
	}
	for t := encap.Initiation; t <= encap.Relay; t++ {
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
	for kind := uint8(0); kind < 16; kind++ {
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
