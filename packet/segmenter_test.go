package packet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"pgregory.net/rapid"
)

// segments cuts pkt and returns each segment as one packet of its own.
func segments(t rapid.TB, pkt []byte, size, start, offset int) [][]byte {
	t.Helper()
	var s packet.Segmenter
	if err := s.Reset(pkt, size, start, offset); err != nil {
		t.Fatalf("Reset: %v", err)
	}
	var out [][]byte
	hdr := make([]byte, packet.MaxHeader)
	for {
		n, payload, ok := s.Next(hdr)
		if !ok {
			break
		}
		out = append(out, append(append([]byte(nil), hdr[:n]...), payload...))
	}
	if len(out) != s.Count() {
		t.Fatalf("%d segments, Count says %d", len(out), s.Count())
	}
	return out
}

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

// anyTCP draws a TCP packet over either family, with options and extension headers.
func anyTCP(t *rapid.T, payload int) packettest.TCP {
	return packettest.TCP{
		IP:      anyIP(t),
		SrcPort: rapid.Uint16().Draw(t, "sport"),
		DstPort: rapid.Uint16().Draw(t, "dport"),
		Seq:     rapid.Uint32().Draw(t, "seq"),
		Ack:     rapid.Uint32().Draw(t, "ack"),
		Flags:   rapid.Uint8().Draw(t, "flags"),
		Window:  rapid.Uint16().Draw(t, "window"),
		Options: words(t, "tcp options", 10),
		Payload: payloadOf(t, payload),
	}
}

func anyIP(t *rapid.T) packettest.IP {
	ip := packettest.IP{
		TOS: rapid.Uint8().Draw(t, "tos"),
		TTL: rapid.Uint8Range(1, 255).Draw(t, "ttl"),
		ID:  rapid.Uint16().Draw(t, "id"),
	}
	if rapid.Bool().Draw(t, "ipv4") {
		ip.Src, ip.Dst = addr[[4]byte](t, "src"), addr[[4]byte](t, "dst")
		ip.Options = words(t, "ip options", 10)
		return ip
	}
	ip.Src, ip.Dst = addr[[16]byte](t, "src"), addr[[16]byte](t, "dst")
	for range rapid.IntRange(0, 3).Draw(t, "extensions") {
		body := make([]byte, 8*rapid.IntRange(1, 4).Draw(t, "extension length"))
		body[1] = uint8(len(body)/8 - 1)
		ip.Extensions = append(ip.Extensions, packettest.Extension{Proto: 60, Bytes: body})
	}
	return ip
}

func addr[A [4]byte | [16]byte](t *rapid.T, label string) netip.Addr {
	var a A
	raw := rapid.SliceOfN(rapid.Byte(), len(a), len(a)).Draw(t, label)
	got, _ := netip.AddrFromSlice(raw)
	return got
}

func words(t *rapid.T, label string, most int) []byte {
	n := 4 * rapid.IntRange(0, most).Draw(t, label)
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label)
}

// payloadOf draws few bytes and repeats them: rapid is slow with long slices.
func payloadOf(t *rapid.T, most int) []byte {
	n := rapid.IntRange(0, most).Draw(t, "payload length")
	seed := rapid.SliceOfN(rapid.Byte(), 1, 61).Draw(t, "payload")
	return bytes.Repeat(seed, n/len(seed)+1)[:n]
}

func TestSegmentsOfTCPVerifyAndJoinToTheOriginal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tcp := anyTCP(t, 9000)
		pkt := tcp.Build()
		start, offset := 0, 0
		if rapid.Bool().Draw(t, "partial") {
			start, offset = packettest.Partial(pkt)
		}
		before := bytes.Clone(pkt)
		size := rapid.IntRange(1, 1500).Draw(t, "segment size")
		got := segments(t, pkt, size, start, offset)
		if !bytes.Equal(before, pkt) {
			t.Fatal("the superpacket was changed")
		}
		var joined []byte
		for i, seg := range got {
			checkTCP(t, tcp, seg, i, len(got), len(joined))
			joined = append(joined, packettest.Payload(seg)...)
		}
		if !bytes.Equal(joined, tcp.Payload) {
			t.Fatal("the joined payload differs from the original")
		}
	})
}

// checkTCP compares segment i of n with what the packet it was cut from asks for.
func checkTCP(t *rapid.T, from packettest.TCP, seg []byte, i, n, at int) {
	if err := packettest.Verify(seg); err != nil {
		t.Fatalf("segment %d of %d: %v", i, n, err)
	}
	want := from
	want.Seq += uint32(at)
	want.ID += uint16(i)
	want.Payload = packettest.Payload(seg)
	if i > 0 {
		want.Flags &^= packettest.CWR
	}
	if i < n-1 {
		want.Flags &^= packettest.FIN | packettest.PSH
	}
	if !bytes.Equal(seg, want.Build()) {
		t.Fatalf("segment %d of %d\n%x\nwant\n%x", i, n, seg, want.Build())
	}
}

func TestSegmentsOfUDPVerifyAndJoinToTheOriginal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		udp := packettest.UDP{IP: anyIP(t), SrcPort: 7, DstPort: 9, Payload: payloadOf(t, 9000)}
		pkt := udp.Build()
		start, offset := 0, 0
		if rapid.Bool().Draw(t, "partial") {
			start, offset = packettest.Partial(pkt)
		}
		size := rapid.IntRange(1, 1500).Draw(t, "segment size")
		at := 0
		for i, seg := range segments(t, pkt, size, start, offset) {
			want := udp
			want.ID += uint16(i)
			want.Payload = udp.Payload[at:min(at+size, len(udp.Payload))]
			if !bytes.Equal(seg, want.Build()) {
				t.Fatalf("segment %d\n%x\nwant\n%x", i, seg, want.Build())
			}
			at += len(want.Payload)
		}
		if at != len(udp.Payload) {
			t.Fatalf("segments carry %d bytes of %d", at, len(udp.Payload))
		}
	})
}

func TestUncheckedUDPStaysUncheckedOverIPv4Only(t *testing.T) {
	for _, c := range []struct {
		src, dst  string
		unchecked bool
	}{{"10.0.0.1", "10.0.0.2", true}, {"fd00::1", "fd00::2", false}} {
		udp := packettest.UDP{
			IP:      packettest.IP{Src: netip.MustParseAddr(c.src), Dst: netip.MustParseAddr(c.dst)},
			Payload: make([]byte, 300), Unchecked: true,
		}
		for _, seg := range segments(t, udp.Build(), 100, 0, 0) {
			if got := u16(seg[packettest.Transport(seg)+6:]) == 0; got != c.unchecked {
				t.Errorf("%s: checksum 0 is %v, want %v", c.src, got, c.unchecked)
			}
			if err := packettest.Verify(seg); err != nil {
				t.Errorf("%s: %v", c.src, err)
			}
		}
	}
}

func TestWhatCannotBeSegmentedIsRefused(t *testing.T) {
	v4 := packettest.IP{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}
	v6 := packettest.IP{Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("fd00::2")}
	with := func(proto uint8, body ...byte) packettest.IP {
		ip := v6
		ip.Extensions = []packettest.Extension{{Proto: proto, Bytes: body}}
		return ip
	}
	tcp := func(ip packettest.IP) []byte { return packettest.TCP{IP: ip, Payload: make([]byte, 3000)}.Build() }
	change := func(pkt []byte, at int, v byte) []byte { pkt[at] = v; return pkt }
	long := make([]byte, 8*32)
	long[1] = 31

	for name, c := range map[string]struct {
		pkt                 []byte
		size, start, offset int
		want                error
	}{
		"segment size 0":             {tcp(v4), 0, 0, 0, packet.ErrSegment},
		"negative segment size":      {tcp(v4), -1, 0, 0, packet.ErrSegment},
		"first fragment":             {change(tcp(v4), 6, 0x20), 1000, 0, 0, packet.ErrSegment},
		"later fragment":             {change(tcp(v4), 7, 1), 1000, 0, 0, packet.ErrSegment},
		"IPv6 fragment":              {tcp(with(44, 0, 0, 0, 1, 0, 0, 0, 0)), 1000, 0, 0, packet.ErrSegment},
		"IPv6 later fragment":        {tcp(with(44, 0, 0, 0, 9, 0, 0, 0, 0)), 1000, 0, 0, packet.ErrSegment},
		"IPv6 authentication":        {tcp(with(51, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), 1000, 0, 0, packet.ErrSegment},
		"IPv6 routing, one to go":    {tcp(with(43, 0, 0, 4, 1, 0, 0, 0, 0)), 1000, 0, 0, packet.ErrSegment},
		"headers beyond MaxHeader":   {tcp(with(60, long...)), 1000, 0, 0, packet.ErrSegment},
		"another protocol":           {v4.Build(packet.ProtoICMP, make([]byte, 3000)), 1000, 0, 0, packet.ErrSegment},
		"TCP cut in its header":      {v4.Build(packet.ProtoTCP, make([]byte, 19)), 1000, 0, 0, packet.ErrShort},
		"UDP cut in its header":      {v4.Build(packet.ProtoUDP, make([]byte, 7)), 1000, 0, 0, packet.ErrShort},
		"TCP data offset too small":  {change(tcp(v4), 32, 0x40), 1000, 0, 0, packet.ErrLength},
		"TCP data offset too big":    {change(v4.Build(packet.ProtoTCP, make([]byte, 30)), 32, 0xf0), 1000, 0, 0, packet.ErrShort},
		"checksum field elsewhere":   {tcp(v4), 1000, 20, 6, packet.ErrChecksum},
		"checksum start elsewhere":   {tcp(v4), 1000, 24, 16, packet.ErrChecksum},
		"not IP":                     {[]byte{0x50}, 1000, 0, 0, packet.ErrVersion},
		"nothing":                    {nil, 1000, 0, 0, packet.ErrShort},
		"length beyond what is here": {tcp(v4)[:500], 1000, 0, 0, packet.ErrLength},
	} {
		var s packet.Segmenter
		if err := s.Reset(c.pkt, c.size, c.start, c.offset); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, _, ok := s.Next(make([]byte, packet.MaxHeader)); ok {
			t.Errorf("%s: has a segment all the same", name)
		}
	}
}

func TestRoutingHeaderThatHasArrivedDoesNotHinderSegmentation(t *testing.T) {
	ip := packettest.IP{
		Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("fd00::2"),
		Extensions: []packettest.Extension{{Proto: 43, Bytes: []byte{0, 0, 4, 0, 0, 0, 0, 0}}},
	}
	for _, seg := range segments(t, packettest.TCP{IP: ip, Payload: make([]byte, 3000)}.Build(), 1000, 0, 0) {
		if err := packettest.Verify(seg); err != nil {
			t.Error(err)
		}
	}
}

func TestBytesBehindThePacketAreNotSegmented(t *testing.T) {
	ip := packettest.IP{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}
	pkt := packettest.UDP{IP: ip, Payload: make([]byte, 250)}.Build()
	got := segments(t, append(pkt, 1, 2, 3), 100, 0, 0)
	if n := len(packettest.Payload(got[len(got)-1])); n != 50 {
		t.Errorf("last segment has %d bytes, want 50", n)
	}
}

func TestSegmentingAllocatesNothing(t *testing.T) {
	ip := packettest.IP{Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("fd00::2")}
	pkt := packettest.TCP{IP: ip, Payload: make([]byte, 60000)}.Build()
	start, offset := packettest.Partial(pkt)
	var s packet.Segmenter
	hdr := make([]byte, packet.MaxHeader)
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Reset(pkt, 1360, start, offset); err != nil {
			t.Fatal(err)
		}
		for ok := true; ok; {
			_, _, ok = s.Next(hdr)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each superpacket, want 0", n)
	}
}

func FuzzSegmenter(f *testing.F) {
	ip := packettest.IP{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}
	f.Add(packettest.TCP{IP: ip, Payload: make([]byte, 100)}.Build(), 30, 20, 16)
	f.Add(packettest.UDP{IP: ip, Payload: make([]byte, 100)}.Build(), 30, 0, 0)
	ip.Src, ip.Dst = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	ip.Extensions = []packettest.Extension{{Proto: 43, Bytes: []byte{0, 0, 4, 0, 0, 0, 0, 0}}}
	f.Add(packettest.TCP{IP: ip, Payload: make([]byte, 100)}.Build(), 30, 48, 16)
	f.Fuzz(func(t *testing.T, pkt []byte, size, start, offset int) {
		var s packet.Segmenter
		if s.Reset(pkt, size, start, offset) != nil {
			return
		}
		total := 0
		for i, seg := range segments(t, pkt, size, start, offset) {
			if err := packettest.Verify(seg); err != nil {
				t.Fatalf("segment %d: %v", i, err)
			}
			total += len(packettest.Payload(seg))
		}
		h, _ := packet.Parse(pkt)
		if want := h.Length - s.HeaderLen(); total != want {
			t.Fatalf("segments carry %d bytes of %d", total, want)
		}
	})
}
