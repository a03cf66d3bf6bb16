package router

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
)

// couple is two nodes by hand; b has a device that joins what joins says.
type couple struct {
	t    *testing.T
	a, b *side
	dev  *tun.PolledMemory // of b
}

func newCouple(t *testing.T, o byHand, joins tun.Joins) *couple {
	t.Helper()
	x := &couple{t: t, a: hand(t, 1, o), dev: memory(t, max(1, o.lanes), joins)}
	o.dev = x.dev
	x.b = hand(t, 2, o)
	introduce(t, x.a, x.b)
	return x
}

// couples runs the test sealed and in clear.
func couples(t *testing.T, o byHand, joins tun.Joins, test func(t *testing.T, x *couple)) {
	for _, o.clear = range []bool{false, true} {
		t.Run(o.name(), func(t *testing.T) { test(t, newCouple(t, o, joins)) })
	}
}

// carry takes a batch from a's device to b's. It returns the frames' flags, without that of clear ones, and what b's device
// got.
func (x *couple) carry(batch ...packet.Superpacket) (flags []uint8, got []packet.Superpacket) {
	x.t.Helper()
	to := x.a.sink(0).record()
	x.a.lane(0).outbound(batch)
	var in []encap.Datagram
	for _, train := range to.sent() {
		in = append(in, train.datagram(x.b.from(x.a)))
		for _, f := range train.frames {
			flags = append(flags, f[1]&^encap.FlagClear)
		}
	}
	x.b.lane(0).inbound(in)
	return flags, written(x.dev.Queue(0))
}

// partial makes a packet's checksum partial, as a kernel does that leaves it to a device.
func partial(pkt []byte, segmentSize int) packet.Superpacket {
	p := packet.Superpacket{Data: bytes.Clone(pkt), SegmentSize: segmentSize}
	p.ChecksumStart, p.ChecksumOffset = packettest.Partial(p.Data)
	return p
}

// addressed is the header between the pods of both nodes, in both families.
func addressed() []packettest.IP {
	return []packettest.IP{{Src: pod(1), Dst: pod(2)}, {Src: pod6(1), Dst: pod6(2)}}
}

// tcpAndUDP builds the packets that a partial checksum is for.
func tcpAndUDP(payload int) (packets [][]byte) {
	for _, ip := range addressed() {
		packets = append(packets,
			packettest.TCP{IP: ip, SrcPort: 1, DstPort: 2, Flags: packettest.ACK, Payload: make([]byte, payload)}.Build(),
			packettest.UDP{IP: ip, SrcPort: 1, DstPort: 2, Payload: make([]byte, payload)}.Build())
	}
	return packets
}

func TestAPartialChecksumStaysPartialWhereItLies(t *testing.T) {
	couples(t, byHand{partial: true}, tun.Joins{}, func(t *testing.T, x *couple) {
		for _, pkt := range tcpAndUDP(700) {
			p := partial(pkt, 0)
			before := bytes.Clone(p.Data)
			flags, got := x.carry(p)
			if len(got) != 1 || flags[0] != encap.FlagPartial {
				t.Fatalf("%d packets, flags %#x", len(got), flags)
			}
			if !bytes.Equal(got[0].Data, before) || got[0].ChecksumStart != p.ChecksumStart || got[0].ChecksumOffset != p.ChecksumOffset {
				t.Errorf("came as %d+%d\n%x\nsent as %d+%d\n%x",
					got[0].ChecksumStart, got[0].ChecksumOffset, got[0].Data, p.ChecksumStart, p.ChecksumOffset, before)
			}
		}
	})
}

func TestSegmentsOfASuperpacketArePartialAndJoinedPartial(t *testing.T) {
	couples(t, byHand{partial: true}, joinsAll, func(t *testing.T, x *couple) {
		for _, pkt := range tcpAndUDP(7000) {
			for _, p := range []packet.Superpacket{partial(pkt, 700), {Data: pkt, SegmentSize: 700}} { // the sum complete or not
				want := partial(pkt, 700)
				flags, got := x.carry(p)
				if len(flags) != 10 || !bytes.Equal(flags, bytes.Repeat([]byte{encap.FlagPartial}, 10)) {
					t.Errorf("flags %#x", flags)
				}
				if len(got) != 1 || !bytes.Equal(got[0].Data, want.Data) || got[0].SegmentSize != 700 ||
					got[0].ChecksumStart != want.ChecksumStart || got[0].ChecksumOffset != want.ChecksumOffset {
					t.Errorf("%d packets, or another one: %+v", len(got), got)
				}
			}
		}
	})
}

func TestWithoutPartialEveryChecksumIsComplete(t *testing.T) {
	couples(t, byHand{}, tun.Joins{}, func(t *testing.T, x *couple) {
		for _, pkt := range tcpAndUDP(7000) {
			flags, got := x.carry(partial(pkt, 0), partial(pkt, 700), packet.Superpacket{Data: pkt, SegmentSize: 700})
			if len(got) != 21 || !bytes.Equal(flags, make([]byte, 21)) {
				t.Fatalf("%d packets, flags %#x", len(got), flags)
			}
			for i, p := range got {
				if err := packettest.Verify(p.Data); err != nil || p.Partial() {
					t.Errorf("packet %d: partial %v, %v", i, p.Partial(), err)
				}
			}
		}
	})
}

func TestACompleteChecksumIsNeverFlagged(t *testing.T) {
	couples(t, byHand{partial: true}, tun.Joins{}, func(t *testing.T, x *couple) {
		for _, pkt := range tcpAndUDP(700) {
			flags, got := x.carry(packet.Superpacket{Data: pkt})
			if len(got) != 1 || flags[0] != 0 || got[0].Partial() || !bytes.Equal(got[0].Data, pkt) {
				t.Errorf("flags %#x, %+v", flags, got)
			}
		}
	})
}

func TestUDPWithoutChecksumIsNeverFlaggedAndStaysWithout(t *testing.T) {
	couples(t, byHand{partial: true}, joinsAll, func(t *testing.T, x *couple) {
		pkt := packettest.UDP{IP: addressed()[0], SrcPort: 1, DstPort: 2, Payload: make([]byte, 2000), Unchecked: true}.Build()
		flags, got := x.carry(packet.Superpacket{Data: pkt}, packet.Superpacket{Data: pkt, SegmentSize: 500})
		if len(got) != 5 || !bytes.Equal(flags, make([]byte, 5)) {
			t.Fatalf("%d packets, flags %#x", len(got), flags)
		}
		for i, p := range got {
			if p.Partial() || p.SegmentSize != 0 || binary.BigEndian.Uint16(p.Data[26:]) != 0 {
				t.Errorf("packet %d came as %+v", i, p)
			}
		}
	})
}

// tunnelled is a packet in a tunnel of UDP, whose own checksum is partial; that of the tunnel is none.
func tunnelled(ip packettest.IP) packet.Superpacket {
	inside := packettest.TCP{IP: packettest.IP{Src: netip.MustParseAddr("172.16.0.1"), Dst: netip.MustParseAddr("172.16.0.2")}, Payload: []byte("inside")}.Build()
	start, offset := packettest.Partial(inside)
	pkt := packettest.UDP{IP: ip, DstPort: 4789, Unchecked: true, Payload: inside}.Build()
	return packet.Superpacket{Data: pkt, ChecksumStart: packettest.Transport(pkt) + 8 + start, ChecksumOffset: offset}
}

func TestAPartialChecksumInsideATunnelIsCompletedBeforeItLeaves(t *testing.T) {
	couples(t, byHand{partial: true}, tun.Joins{}, func(t *testing.T, x *couple) {
		for _, ip := range addressed() {
			p := tunnelled(ip)
			flags, got := x.carry(p)
			if len(got) != 1 || flags[0] != 0 || got[0].Partial() {
				t.Fatalf("flags %#x, %+v", flags, got)
			}
			if err := packettest.Verify(packettest.Payload(got[0].Data)); err != nil {
				t.Errorf("inside: %v", err)
			}
		}
	})
}

// The kernel leaves no checksum of these to a device, but nothing that comes to a node by frames can be trusted.
func TestAPartialChecksumOfWhatHasNoneIsRefused(t *testing.T) {
	longer := func(b []byte) []byte { // than its UDP header says
		b = append(b, 0)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], ^packet.Fold(packet.Sum(b[:20], 0)))
		return b
	}
	fragment := udp(pod(1), pod(2), "the first part")
	fragment[6] = 0x20
	packets := map[string][]byte{
		"ICMP":                    addressed()[0].Build(packet.ProtoICMP, make([]byte, 64)),
		"a fragment":              fragment,
		"a header that is cut":    addressed()[0].Build(packet.ProtoTCP, make([]byte, 12)),
		"lengths that disagree":   longer(udp(pod(1), pod(2), "x")),
		"more than the packet":    append(udp(pod(1), pod(2), "x"), 0),
		"IPv6, nothing behind it": addressed()[1].Build(59, nil),
	}
	for _, joins := range []tun.Joins{{}, joinsAll} {
		couples(t, byHand{}, joins, func(t *testing.T, x *couple) {
			for name, pkt := range packets {
				before := x.b.drops()
				frame, err := x.a.known(x.b).session.Current().SealData(make([]byte, 0, 2000), 0, encap.FlagPartial, pkt)
				check(t, err)
				x.b.lane(0).inbound([]encap.Datagram{{From: x.b.from(x.a), Data: frame}})
				if d := grown(before, x.b.drops()); len(written(x.dev.Queue(0))) != 0 || len(d) != 1 || d[BadChecksum] != 1 {
					t.Errorf("%s: written, or dropped %v", name, d)
				}
			}
			if rx := x.b.known(x.a).rx.packets.Load(); rx != 0 {
				t.Errorf("%d counted as received", rx)
			}
		})
	}
}
