package router

import (
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// relayLoads are what the first node of a chain of one relay sends at once.
func relayLoads() map[string][]packet.Superpacket {
	super, _ := super(true, pod(1), pod(3), 0)
	single := packet.Superpacket{Data: udp(pod(1), pod(3), string(make([]byte, 1200)))}
	return map[string][]packet.Superpacket{"a packet": {single}, "superpackets": {super, single, super}}
}

// trains is a load as it comes to the relay.
func (x *chain) trains(load []packet.Superpacket) (batch []encap.Datagram) {
	var own []packet.Superpacket
	for _, p := range load {
		p.Data = append([]byte(nil), p.Data...) // the router writes to it
		own = append(own, p)
	}
	x.first().lane(0).outbound(own)
	for _, t := range x.first().sink(0).sent() {
		batch = append(batch, t.datagram(x.sides[1].from(x.first())))
	}
	return batch
}

func TestFramesAreSentThroughRelaysWithoutAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, o := range []byHand{{}, {clear: true}} {
		x := newChain(t, o, encap.MaxRelays, tun.Joins{})
		x.first().sink(0).keep = false
		load := []packet.Superpacket{{Data: x.packet("a packet")}}
		if n := testing.AllocsPerRun(allocRuns, func() { x.first().lane(0).outbound(load) }); n != 0 {
			t.Errorf("%s: %v allocations", o.name(), n)
		}
		if n := x.first().sink(0).frames; n != allocRuns+1 {
			t.Errorf("%d frames sent, dropped %v", n, x.first().drops())
		}
	}
}

func TestARelayAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, o := range []byHand{{}, {clear: true}} {
		for name, load := range relayLoads() {
			t.Run(o.name()+", "+name, func(t *testing.T) {
				x := newChain(t, o, 1, tun.Joins{})
				relay := x.sides[1]
				relay.router.SetRelaying(Relaying{Frames: -1})
				relay.sink(0).keep = false
				var batches [][]encap.Datagram
				for range allocRuns + 2 { // AllocsPerRun calls once more, and the first frame of all makes the keys
					batches = append(batches, x.trains(load))
				}
				run := func() {
					relay.lane(0).inbound(batches[0])
					batches = batches[1:]
				}
				run()
				if n := testing.AllocsPerRun(allocRuns, run); n != 0 {
					t.Errorf("%v allocations", n)
				}
				if c := relay.router.Counters(); c.Relayed.Packets != x.first().router.Counters().Out.Packets || len(c.Dropped) != 0 {
					t.Errorf("relayed %+v, dropped %v", c.Relayed, c.Dropped)
				}
			})
		}
	}
}
