package router

import (
	"bytes"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// parting makes a node put frames together of their parts, and says so.
func parting(s *side) { s.local.Settings.Capabilities |= encap.CapParts }

// narrow makes frames to a peer go in parts of at most whole bytes.
func (s *side) narrow(p *side, whole int) { s.known(p).fit.Store(&fit{whole: whole, long: whole}) }

func TestWhatIsTooLongForThePathArrivesAsItWas(t *testing.T) {
	for _, whole := range []int{1200, 600, 400} {
		eachChain(t, tun.Joins{}, func(t *testing.T, x *chain) {
			x.first().narrow(x.last(), whole)
			single, small := x.packet(string(make([]byte, 1150))), x.packet("small")
			p, payload := super(true, pod(1), pod(x.last().number), 0)
			hops, got := x.carry(packet.Superpacket{Data: small}, partial(single, 0), p, packet.Superpacket{Data: small})
			for _, train := range hops[0] {
				for _, frame := range train.frames {
					if len(frame) > whole {
						t.Fatalf("a frame of %d bytes goes where %d may", len(frame), whole)
					}
				}
			}
			var packets [][]byte
			for i := range got {
				packets = append(packets, got[i].Data)
			}
			if len(packets) != 14 || !bytes.Equal(packets[0], small) || !bytes.Equal(packets[1], single) || !bytes.Equal(packets[13], small) {
				t.Fatalf("%d packets arrived, dropped %v", len(packets), x.drops())
			}
			checkSegments(t, packets[2:13], payload)
			if d := x.drops(); len(d) > 0 {
				t.Errorf("dropped %v", d)
			}
			if c := x.first().router.Counters(); c.Out.Packets != 14 || c.Split.Out != 12 {
				t.Errorf("%d packets went out, of which %d in parts", c.Out.Packets, c.Split.Out)
			}
			if c := x.last().router.Counters(); c.In.Packets != 14 || c.Split.In != 12 {
				t.Errorf("%d packets came, of which %d in parts", c.In.Packets, c.Split.In)
			}
		})
	}
}

func TestPartsGoStraight(t *testing.T) {
	dev := memory(t, 1, tun.Joins{})
	a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{dev: dev})
	introduce(t, a, b)
	a.narrow(b, 1000)
	a.sink(0).record()
	big := udp(pod(1), pod(2), string(make([]byte, 1200)))
	a.lane(0).outbound([]packet.Superpacket{{Data: bytes.Clone(big)}})
	trains := a.sink(0).sent()
	if len(trains) != 1 || len(trains[0].frames) != 2 {
		t.Fatalf("trains %+v", trains)
	}
	d := trains[0].datagram(b.from(a))
	for range 2 { // the second time the whole frame is replayed
		b.lane(0).inbound([]encap.Datagram{d})
	}
	got, drops := written(dev.Queue(0)), b.drops()
	if len(got) != 1 || !bytes.Equal(got[0].Data, big) || drops[Replayed] != 1 {
		t.Errorf("%d packets, dropped %v", len(got), drops)
	}
}

// A frame of any other type could go by ways that are not checked for what comes in parts.
func TestOnlyADataFrameOfTheSameSessionComesInParts(t *testing.T) {
	a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
	introduce(t, a, b)
	index := a.known(b).session.Current().RemoteIndex
	control, err := a.known(b).session.Current().SealControl(nil, encap.Probe, make([]byte, 50))
	check(t, err)
	for name, frame := range map[string][]byte{
		"control":       control,
		"another index": append(encap.Header{Type: encap.Data, Index: index + 1}.Append(nil), make([]byte, 50)...),
		"another lane":  append(encap.Header{Type: encap.Data, Lane: 1, Index: index}.Append(nil), make([]byte, 50)...),
		"a part":        append(encap.Header{Type: encap.Part, Index: index}.Append(nil), make([]byte, 50)...),
		"no frame":      make([]byte, 50),
	} {
		before := b.drops()[BadFrame]
		for _, part := range cut(t, frame, index) {
			b.lane(0).inbound([]encap.Datagram{{From: b.from(a), Data: part}})
		}
		if d := b.drops(); d[BadFrame] != before+1 {
			t.Errorf("%s: dropped %v", name, d)
		}
	}
}

// cut makes two parts of a frame.
func cut(t *testing.T, frame []byte, index uint32) (list [][]byte) {
	t.Helper()
	p := encap.Parts{ID: uint32(len(frame)) + uint32(frame[0]) + uint32(frame[7])<<8, Index: index, Length: len(frame), Count: 2}
	for number := range 2 {
		begin, end := p.Piece(number)
		part := make([]byte, encap.PartHead)
		p.PutHead(part, number)
		list = append(list, append(part, frame[begin:end]...))
	}
	return list
}

func TestPartsFromElsewhereTakeNoRoom(t *testing.T) {
	a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
	introduce(t, a, b)
	index := a.known(b).session.Current().RemoteIndex
	part := cut(t, make([]byte, 100), index)[0]
	from := b.from(a)
	from.Addr = addrPort(9)
	b.lane(0).inbound([]encap.Datagram{{From: from, Data: part}})
	unknown := cut(t, make([]byte, 100), index+1)[0]
	b.lane(0).inbound([]encap.Datagram{{From: b.from(a), Data: unknown}})
	if d := b.drops(); d[WrongEndpoint] != 1 || d[UnknownIndex] != 1 || b.lane(0).receiver.rejoiner.Waiting() != 0 {
		t.Errorf("dropped %v, %d frames wait", d, b.lane(0).receiver.rejoiner.Waiting())
	}
}

func TestAFrameOfWhichAPartIsLostIsCountedOnce(t *testing.T) {
	a, b := hand(t, 1, byHand{}), hand(t, 2, byHand{})
	introduce(t, a, b)
	part := cut(t, make([]byte, 100), a.known(b).session.Current().RemoteIndex)[0]
	v := &b.lane(0).receiver
	v.begin(b.router.table.Load(), b.router.dev.Load(), 1)
	v.frame(b.from(a), part, 0)
	for range 2 {
		v.begin(b.router.table.Load(), b.router.dev.Load(), int64(2*time.Second))
	}
	if d := b.drops(); d[PartMissing] != 1 {
		t.Errorf("dropped %v", d)
	}
}
