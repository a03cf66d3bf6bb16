package router

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// A link becomes smaller than frames, or than their parts, in the moment before control hears of it.
func TestWhatTheKernelRefusesAsTooLongGoesAgainInParts(t *testing.T) {
	for _, o := range []byHand{{}, {clear: true}, {partial: true}, {clear: true, partial: true}} {
		for _, whole := range []int{0, 1200} { // of parts; 0: frames go whole
			for relays := 1; relays <= encap.MaxRelays; relays++ {
				t.Run(fmt.Sprintf("%s, parts of %d, %d relays", o.name(), whole, relays), func(t *testing.T) {
					o.parts = true
					resentThroughRelays(t, newChain(t, o, relays, tun.Joins{}), whole)
				})
			}
		}
	}
}

func resentThroughRelays(t *testing.T, x *chain, whole int) {
	if whole > 0 {
		x.first().narrow(x.last(), whole)
	}
	x.first().sink(0).most = 600
	single, small := x.packet(string(make([]byte, 1150))), x.packet("small")
	p, payload := super(true, pod(1), pod(x.last().number), 0)
	hops, got := x.carry(packet.Superpacket{Data: small}, partial(bytes.Clone(single), 0), p, packet.Superpacket{Data: small})
	for _, train := range hops[0] {
		if train.size > 576-headers4 {
			t.Fatalf("frames of %d bytes were sent", train.size)
		}
	}
	var packets [][]byte
	for i := range got {
		packets = append(packets, got[i].Data)
	}
	slices.SortStableFunc(packets, func(a, b []byte) int { return rankOf(a, small, single) - rankOf(b, small, single) })
	if len(packets) != 14 || !bytes.Equal(packets[0], small) || !bytes.Equal(packets[1], small) || !bytes.Equal(packets[2], single) {
		t.Fatalf("%d packets arrived, dropped %v", len(packets), x.drops())
	}
	checkSegments(t, packets[3:], payload)
	if d := x.drops(); len(d) > 0 {
		t.Errorf("dropped %v", d)
	}
	if c := x.first().router.Counters(); c.Out.Packets != 14 || c.Split.Out != 12 {
		t.Errorf("%d packets went out, of which %d in parts", c.Out.Packets, c.Split.Out)
	}
}

// rankOf puts small packets first and segments last: what goes again comes behind what went.
func rankOf(p, small, single []byte) int {
	switch {
	case len(p) == len(small):
		return 0
	case bytes.Equal(p, single):
		return 1
	}
	return 2
}

// Each packet that is not sent again is counted once, also where it went in parts.
func TestWhatCannotGoAgainIsCountedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		o           byHand
		whole, most int
		dropped     uint64
	}{
		"the peer knows no parts":          {byHand{}, 0, 1000, 12},
		"the link takes less than any may": {byHand{parts: true}, 0, 300, 11}, // the short last segment goes again
		"parts were refused before":        {byHand{parts: true}, 900, 300, 11},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := hand(t, 1, c.o), hand(t, 2, c.o)
			introduce(t, a, b)
			if c.whole > 0 {
				a.narrow(b, c.whole)
			}
			a.sink(0).most = c.most
			p, _ := super(true, pod(1), pod(2), 0)
			long := udp(pod(1), pod(2), string(make([]byte, 1200)))
			a.lane(0).outbound([]packet.Superpacket{{Data: udp(pod(1), pod(2), "small")}, p, {Data: long}})
			d, out := a.drops(), a.router.Counters().Out.Packets
			if d[TooBig] != c.dropped || out != 13-c.dropped {
				t.Errorf("dropped %v, %d packets went out", d, out)
			}
		})
	}
}
