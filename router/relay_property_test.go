package router

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// However a member lists relays, and whoever it pretends to be: the frame comes to no node twice, and stops after three relays.
func TestNoFrameOfAMemberGoesInCircles(t *testing.T) {
	var sides []*side
	for i := range 5 {
		sides = append(sides, hand(t, i+1, byHand{}))
	}
	introduce(t, sides...)
	for _, s := range sides {
		s.router.SetRelaying(Relaying{Frames: -1})
		s.sink(0).record()
	}
	numbers := append(numbersOf(sides), nobody)
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.SampledFrom(numbers)
		head := encap.RelayHead{
			HopLimit: rapid.Byte().Draw(rt, "hop limit"), Source: number.Draw(rt, "source"), Destination: number.Draw(rt, "destination"),
			Further: further(rapid.SliceOfN(number, 0, encap.MaxRelays-1).Draw(rt, "further")...),
		}
		from, to := sides[0], sides[rapid.IntRange(1, 4).Draw(rt, "hop")]
		frame, err := from.known(to).session.Current().SealRelay(make([]byte, 0, 200), &head)
		if err != nil {
			rt.Fatal(err)
		}
		frame = append(frame, encap.Header{Type: encap.Data, Index: 1}.Append(nil)...)
		checkWay(rt, sides, head, visits(sides, from, to, frame))
	})
}

// visits delivers a frame, and all that comes of it, and lists the nodes that it came to.
func visits(sides []*side, from, to *side, frame []byte) (list []trust.Number) {
	for to != nil && len(list) <= len(sides) {
		list = append(list, to.num())
		to.lane(0).inbound([]encap.Datagram{{From: to.from(from), Data: frame}})
		from, to = to, nil
		for _, t := range from.sink(0).sent() {
			frame = t.frames[0]
			for _, s := range sides {
				if s.endpoint().Addr == t.to.Addr {
					to = s
				}
			}
		}
	}
	return list
}

// checkWay demands that a frame went where its head says, or less far.
func checkWay(rt *rapid.T, sides []*side, head encap.RelayHead, way []trust.Number) {
	want := append(append([]trust.Number{way[0]}, head.Further.Numbers()...), head.Destination)
	if len(way) > 1+encap.MaxRelays || len(way) > len(want) || len(way)-1 > int(head.HopLimit) {
		rt.Fatalf("%+v comes to %v", head, way)
	}
	seen := map[trust.Number]bool{}
	for i, n := range way {
		if seen[n] || i > 0 && (n != want[i] || n == head.Source) {
			rt.Fatalf("%+v comes to %v", head, way)
		}
		seen[n] = true
	}
}
