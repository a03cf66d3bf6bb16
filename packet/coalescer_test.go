package packet_test

import (
	"bytes"
	"testing"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"pgregory.net/rapid"
)

// whole is p in one piece.
func whole(p packet.Superpacket) packet.Superpacket {
	p.Data, p.Tail = bytes.Join(append([][]byte{p.Data}, p.Tail...), nil), nil
	return p
}

func TestCoalescingWhatWasSegmentedGivesTheSame(t *testing.T) {
	c := packet.NewCoalescer(packet.CoalescerOptions{TCP: true, UDP: true})
	rapid.Check(t, func(t *rapid.T) {
		var want packet.Superpacket
		if rapid.Bool().Draw(t, "tcp") {
			tcp := anyTCP(t, 9000)
			tcp.Flags = tcp.Flags&^(packettest.SYN|packettest.RST|packettest.URG) | packettest.ACK
			want.Data = tcp.Build()
		} else {
			want.Data = packettest.UDP{IP: anyIP(t), SrcPort: 7, DstPort: 9, Payload: payloadOf(t, 9000)}.Build()
		}
		want.ChecksumStart, want.ChecksumOffset = packettest.Partial(want.Data)
		payload := len(packettest.Payload(want.Data))
		if payload < 2 {
			return
		}
		want.SegmentSize = rapid.IntRange(max(1, payload/1000+1), payload-1).Draw(t, "segment size")
		partial := rapid.Bool().Draw(t, "partial")
		c.Reset()
		for _, seg := range cut(t, want, partial) {
			if err := c.Add(seg, partial); err != nil {
				t.Fatal(err)
			}
		}
		got := c.Packets()
		if len(got) != 1 {
			t.Fatalf("%d packets", len(got))
		}
		p := whole(got[0])
		if !bytes.Equal(p.Data, want.Data) || p.SegmentSize != want.SegmentSize || p.ChecksumStart != want.ChecksumStart || p.ChecksumOffset != want.ChecksumOffset {
			t.Fatalf("\n%x %d\nwant\n%x %d", p.Data, p.SegmentSize, want.Data, want.SegmentSize)
		}
	})
}
