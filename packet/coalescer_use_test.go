package packet_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

// interleaved is the segments of n flows, one of each in turn.
func interleaved(n, segments int) (in []arrival) {
	flows := make([][][]byte, n)
	for i := range flows {
		udp := udpOf(ip4, 100*segments)
		udp.SrcPort += uint16(i)
		flows[i] = udp.Segments(100)
	}
	for at := range segments {
		for _, f := range flows {
			in = append(in, arrivals(f[at:at+1], true)...)
		}
	}
	return in
}

func TestInterleavedFlowsAreEachJoined(t *testing.T) {
	wantCounts(t, "sixteen flows", interleaved(16, 4), slices.Repeat([]int{4}, 16)...)
}

func TestMoreFlowsThanMayBeOpenKeepTheirOrder(t *testing.T) {
	in := interleaved(40, 4)
	got := coalesce(t, in)
	checkJoined(t, in, got)
	if len(got) > len(in) || len(got) < 40 {
		t.Errorf("%d packets", len(got))
	}
}

func TestSuperpacketsOfMoreFlowsThanMayBeOpenAreAllJoined(t *testing.T) {
	var in []arrival
	for port := range 40 {
		udp := udpOf(ip4, 200)
		udp.SrcPort += uint16(port)
		in = append(in, arrivals(udp.Segments(100), true)...)
	}
	wantCounts(t, "forty flows", in, slices.Repeat([]int{2}, 40)...)
}

func TestSuperpacketsComeInTheOrderOfTheirFirstSegments(t *testing.T) {
	for i, p := range coalesce(t, interleaved(5, 3)) {
		if port := u16(p.Data[20:]); port != uint16(1+i) {
			t.Errorf("place %d: port %d", i, port)
		}
	}
}

func TestWhatIsNotToBeJoinedPasses(t *testing.T) {
	in := append(arrivals(tcpOf(ip4, ack, 300).Segments(100), true), arrivals(udpOf(ip6, 300).Segments(100), true)...)
	for _, o := range []packet.CoalescerOptions{{}, {TCP: true}, {UDP: true}} {
		c := packet.NewCoalescer(o)
		for _, a := range in {
			if err := c.Add(a.pkt, a.partial); err != nil {
				t.Fatal(err)
			}
		}
		got := c.Packets()
		checkJoined(t, in, got)
		want := 6
		if o.TCP || o.UDP {
			want = 4
		}
		if len(got) != want {
			t.Errorf("%+v: %d packets, want %d", o, len(got), want)
		}
		for _, p := range got {
			if start, offset, err := packet.PartialChecksum(whole(p).Data); err != nil || p.ChecksumStart != start || p.ChecksumOffset != offset {
				t.Errorf("%+v: checksum at %d and %d", o, p.ChecksumStart, p.ChecksumOffset)
			}
		}
	}
}

func TestPacketThatCannotBePartialIsRefusedAndChangesNothing(t *testing.T) {
	segs := arrivals(tcpOf(ip4, ack, 300).Segments(100), true)
	fragment := udpOf(ip4, 8).Build()
	fragment[6] = 0x20
	for name, c := range map[string]struct {
		pkt  []byte
		want error
	}{
		"nothing":                 {nil, packet.ErrShort},
		"not IP":                  {make([]byte, 60), packet.ErrVersion},
		"fragment":                {fragment, packet.ErrPartial},
		"ICMP":                    {ip4.Build(packet.ProtoICMP, make([]byte, 8)), packet.ErrPartial},
		"bytes behind the packet": {append(udpOf(ip4, 8).Build(), 0), packet.ErrLength},
		"endless extensions":      {tcpOf(chain(repeat(20)...), ack, 8).Build(), packet.ErrExtensions},
	} {
		c2 := packet.NewCoalescer(packet.CoalescerOptions{TCP: true, Packets: 3})
		for _, a := range segs {
			if err := c2.Add(c.pkt, true); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if err := c2.Add(a.pkt, true); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := c2.Packets(); !slices.Equal(counts(got), []int{3}) {
			t.Errorf("%s: packets of %v segments, want one of 3", name, counts(got))
		}
	}
}

func TestFullCoalescerTakesPacketsAgainAfterReset(t *testing.T) {
	segs := arrivals(udpOf(ip4, 1000).Segments(100), true)
	c := packet.NewCoalescer(packet.CoalescerOptions{UDP: true, Packets: 4})
	var got []int
	for _, a := range segs {
		err := c.Add(a.pkt, a.partial)
		if errors.Is(err, packet.ErrFull) {
			got = append(got, counts(c.Packets())...)
			c.Reset()
			err = c.Add(a.pkt, a.partial)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got = append(got, counts(c.Packets())...); !slices.Equal(got, []int{4, 4, 2}) {
		t.Errorf("packets of %v segments", got)
	}
}

func TestFullCoalescerRefusesEveryPacket(t *testing.T) {
	segs := arrivals(udpOf(ip4, 300).Segments(100), true)
	icmp := arrival{ip4.Build(packet.ProtoICMP, nil), false}
	for name, in := range map[string][]arrival{"ICMP": {icmp}, "one segment": segs[:1], "two segments": segs[:2], "nothing": {{nil, false}}} {
		c := packet.NewCoalescer(packet.CoalescerOptions{UDP: true, Packets: len(in)})
		for _, a := range in {
			if err := c.Add(a.pkt, a.partial); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range append(segs, icmp, arrival{nil, false}, arrival{nil, true}) {
			if err := c.Add(a.pkt, a.partial); !errors.Is(err, packet.ErrFull) {
				t.Errorf("full by %s: %v", name, err)
			}
		}
	}
}

func TestPacketsThatNobodyTookAreForgottenByReset(t *testing.T) {
	c := joinAll()
	for i, a := range arrivals(udpOf(ip4, 300).Segments(100), true) {
		if err := c.Add(a.pkt, a.partial); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			c.Reset()
		}
	}
	if got := c.Packets(); !slices.Equal(counts(got), []int{2}) {
		t.Errorf("packets of %v segments", counts(got))
	}
}

func TestNothingOfThePastIsJoinedAfterReset(t *testing.T) {
	c := joinAll()
	segs := arrivals(udpOf(ip4, 300).Segments(100), true)
	for i, a := range segs {
		if err := c.Add(a.pkt, a.partial); err != nil {
			t.Fatal(err)
		}
		if got := c.Packets(); len(got) != 1 || got[0].SegmentSize != 0 || !bytes.Equal(got[0].Data, a.pkt) {
			t.Errorf("packet %d: %+v", i, got)
		}
		c.Reset()
	}
	if got := c.Packets(); len(got) != 0 {
		t.Errorf("%+v after Reset", got)
	}
}

func TestPacketsAddedAfterPacketsBeginAnew(t *testing.T) {
	c := joinAll()
	segs := arrivals(udpOf(ip4, 600).Segments(100), true)
	for i, a := range segs {
		if err := c.Add(a.pkt, a.partial); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			c.Packets()
		}
	}
	got := c.Packets()
	if !slices.Equal(counts(got), []int{3, 3}) {
		t.Errorf("packets of %v segments", counts(got))
	}
	checkJoined(t, segs, got)
}

func TestEmptyPacketIsNeverTheNextSegment(t *testing.T) {
	udp := udpOf(ip4, 200).Segments(100)
	bad := bytes.Clone(udp[0])
	bad[10] ^= 1
	for name, before := range map[string][][]byte{"new": nil, "ended": {udp[0], udpOf(ip4, 5).Build()}, "refused": {udp[0], bad}, "begun": {udp[0]}} {
		c := joinAll()
		for _, pkt := range before {
			if err := c.Add(pkt, false); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Add(nil, true); !errors.Is(err, packet.ErrShort) {
			t.Errorf("%s: %v, want ErrShort", name, err)
		}
	}
}

func TestCoalescingAllocatesNothing(t *testing.T) {
	in := interleaved(20, 5)
	in = append(in, arrivals(tcpOf(ip6, ack, 5000).Segments(100), false)...)
	in = append(in, arrival{ip4.Build(packet.ProtoICMP, make([]byte, 8)), false}, arrival{nil, false})
	in = append(in, arrivals([][]byte{tcpOf(ip4, ack, 0).Build()}, true)...)
	c := joinAll()
	if n := testing.AllocsPerRun(100, func() {
		for _, a := range in {
			if err := c.Add(a.pkt, a.partial); err != nil {
				t.Fatal(err)
			}
		}
		if c.Add(nil, true) == nil || len(c.Packets()) == 0 {
			t.Fatal("nothing came out")
		}
		c.Reset()
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// pack and unpack turn packets into one input of a fuzzer and back: length<<1 | partial in two bytes before each.
func pack(in []arrival) (b []byte) {
	for _, a := range in {
		n := len(a.pkt) << 1
		if a.partial {
			n |= 1
		}
		b = append(append(b, byte(n>>8), byte(n)), a.pkt...)
	}
	return b
}

func unpack(b []byte) (in []arrival) {
	for len(b) >= 2 {
		n := int(u16(b))
		size := min(n>>1, len(b)-2)
		in = append(in, arrival{bytes.Clone(b[2 : 2+size]), n&1 != 0})
		b = b[2+size:]
	}
	return in
}

func FuzzCoalescer(f *testing.F) {
	cwr := tcpOf(ip6, ack|packettest.CWR|packettest.PSH, 35)
	f.Add(pack(arrivals(tcpOf(ip4, ack|packettest.FIN, 50).Segments(10), true)))
	f.Add(pack(arrivals(cwr.Segments(10), false)))
	f.Add(pack(arrivals(udpOf(ip4, 50).Segments(20), false)))
	f.Add(pack(arrivals(udpOf(chain(padding(60)), 50).Segments(20), true)))
	f.Add(pack(interleaved(3, 3)))
	f.Add(pack(slices.Insert(interleaved(2, 4), 4, arrival{ip4.Build(packet.ProtoICMP, make([]byte, 8)), false})))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := packet.NewCoalescer(packet.CoalescerOptions{TCP: true, UDP: true, Packets: 64})
		var in []arrival
		for _, a := range unpack(b) {
			_, _, wrong := packet.PartialChecksum(a.pkt)
			err := c.Add(a.pkt, a.partial)
			switch {
			case err == packet.ErrFull && len(in) == 64:
			case a.partial && err != wrong, !a.partial && err != nil:
				t.Fatalf("%v, want %v if partial", err, wrong)
			case err == nil:
				in = append(in, a)
			}
		}
		checkJoined(t, in, c.Packets())
	})
}
