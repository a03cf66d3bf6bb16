package router

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
)

// flowOf is a superpacket of ten segments of TCP from a port.
func flowOf(port uint16) packet.Superpacket {
	ip := packettest.IP{Src: pod(1), Dst: pod(2)}
	pkt := packettest.TCP{IP: ip, SrcPort: port, DstPort: 2, Flags: packettest.ACK, Payload: make([]byte, 7000)}.Build()
	return partial(pkt, 700)
}

// chooser is a device that refuses some of what is written to it.
type chooser struct {
	tun.Queue
	tun.Device
	refuse func(p packet.Superpacket) bool
	taken  int
}

// Queues implements tun.Device.
func (d *chooser) Queues() []tun.Queue { return []tun.Queue{d} }

// Write implements tun.Queue.
func (d *chooser) Write(batch []packet.Superpacket) (written int, err error) {
	for _, p := range batch {
		if d.refuse(p) {
			err = errors.New("refused")
			continue
		}
		written++
	}
	d.taken += written
	return written, err
}

func TestWhatTheDeviceRefusesIsCountedBySegments(t *testing.T) {
	for name, c := range map[string]struct {
		joins tun.Joins
		want  int // superpackets and packets that the device takes
	}{
		"joined":     {joinsAll, 2},
		"not joined": {tun.Joins{}, 11},
	} {
		t.Run(name, func(t *testing.T) {
			x := newCouple(t, byHand{partial: true}, c.joins)
			odd := func(p packet.Superpacket) bool { return p.Data[21]%2 == 1 } // by its source port
			device := &chooser{x.dev.Queue(0), x.dev, odd, 0}
			x.b.router.dev.Store(newAttachment(device))
			single := func(port uint16) packet.Superpacket {
				return packet.Superpacket{Data: packettest.UDP{IP: addressed()[0], SrcPort: port}.Build()}
			}
			x.carry(flowOf(1), flowOf(2), single(3), single(4), flowOf(5))
			if device.taken != c.want {
				t.Errorf("the device took %d, want %d", device.taken, c.want)
			}
			in, lane := x.b.router.Counters().In, x.b.router.Lanes()[0]
			if in.Packets != 11 || x.b.drops()[DeviceRefused] != 21 || lane.Written != uint64(c.want) || lane.Delivered != 11 {
				t.Errorf("%d packets, %d written, dropped %v; want 11 packets, and 21 refused", in.Packets, lane.Written, x.b.drops())
			}
		})
	}
}

func TestWhatAFullDeviceRefusesIsCountedBySegments(t *testing.T) {
	x := newCouple(t, byHand{partial: true}, joinsAll)
	to := x.a.sink(0).record()
	const flows = 1100 // more than the device holds
	for i := range flows {
		x.a.lane(0).outbound([]packet.Superpacket{flowOf(uint16(i))})
		for _, train := range to.sent() {
			x.b.lane(0).inbound([]encap.Datagram{train.datagram(x.b.from(x.a))})
		}
	}
	got := len(written(x.dev.Queue(0)))
	in, refused := x.b.router.Counters().In.Packets, x.b.drops()[DeviceRefused]
	if got == flows || got == 0 || in != uint64(10*got) || refused != uint64(10*(flows-got)) {
		t.Errorf("%d superpackets of %d taken: %d packets counted, and %d refused", got, flows, in, refused)
	}
}

func TestABatchOfMoreThanFitsIsWrittenInParts(t *testing.T) {
	for _, joins := range []tun.Joins{{}, joinsAll} {
		couples(t, byHand{}, joins, func(t *testing.T, x *couple) {
			to := x.a.sink(0).record()
			var in []encap.Datagram
			const packets = 2500 // of one batch; the coalescer takes 1024
			for i := range packets {
				x.a.lane(0).outbound([]packet.Superpacket{{Data: udp(pod(1), pod(2), fmt.Sprintf("%06d", i))}})
				for _, f := range to.each() {
					in = append(in, encap.Datagram{From: x.b.from(x.a), Data: f})
				}
			}
			device := &counter{x.dev.Queue(0), x.dev, nil}
			x.b.router.dev.Store(newAttachment(device))
			x.b.lane(0).inbound(in)
			if n := x.b.router.Counters().In.Packets; n != packets || len(x.b.drops()) != 0 {
				t.Errorf("%d packets of %d, dropped %v", n, packets, x.b.drops())
			}
			if !slices.IsSorted(device.texts) || len(device.texts) != packets {
				t.Errorf("%d of %d packets written, or out of order", len(device.texts), packets)
			}
		})
	}
}

// counter is a device that keeps the payloads, segment by segment, of what is written to it.
type counter struct {
	tun.Queue
	tun.Device
	texts []string
}

// Queues implements tun.Device.
func (d *counter) Queues() []tun.Queue { return []tun.Queue{d} }

// Write implements tun.Queue.
func (d *counter) Write(batch []packet.Superpacket) (int, error) {
	for i := range batch {
		p := &batch[i]
		if p.SegmentSize == 0 {
			d.texts = append(d.texts, string(packettest.Payload(p.Data)))
		}
		for _, payload := range p.Tail {
			d.texts = append(d.texts, string(payload))
		}
	}
	return len(batch), nil
}
