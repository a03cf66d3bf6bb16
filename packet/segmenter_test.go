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

// segments cuts pkt and returns each segment as one packet of its own, with a complete checksum.
func segments(t rapid.TB, pkt []byte, size, start, offset int) [][]byte {
	t.Helper()
	return cut(t, packet.Superpacket{Data: pkt, SegmentSize: size, ChecksumStart: start, ChecksumOffset: offset}, false)
}

// cut returns the segments of p, each as one packet of its own.
func cut(t rapid.TB, p packet.Superpacket, partial bool) (all [][]byte) {
	t.Helper()
	var s packet.Segmenter
	if err := s.Reset(p.Data, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset); err != nil {
		t.Fatalf("Reset: %v", err)
	}
	next := s.Next
	if partial {
		next = s.NextPartial
	}
	hdr := make([]byte, packet.MaxHeader)
	for {
		n, payload, ok := next(hdr)
		if !ok {
			break
		}
		all = append(all, append(bytes.Clone(hdr[:n]), payload...))
	}
	if len(all) != s.Count() {
		t.Fatalf("%d segments, Count says %d", len(all), s.Count())
	}
	return all
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

// checkSegments cuts pkt, whose checksum is complete or made partial, in both ways, and compares with what is expected.
func checkSegments(t *rapid.T, pkt []byte, size int, want [][]byte) {
	start, offset := 0, 0
	if rapid.Bool().Draw(t, "partial") {
		start, offset = packettest.Partial(pkt)
	}
	before := bytes.Clone(pkt)
	for i, seg := range segments(t, pkt, size, start, offset) {
		if err := packettest.Verify(seg); err != nil {
			t.Fatalf("segment %d of %d: %v", i, len(want), err)
		}
		if !bytes.Equal(seg, want[i]) {
			t.Fatalf("segment %d of %d\n%x\nwant\n%x", i, len(want), seg, want[i])
		}
	}
	for i, seg := range cut(t, packet.Superpacket{Data: pkt, SegmentSize: size, ChecksumStart: start, ChecksumOffset: offset}, true) {
		packettest.Partial(want[i])
		if !bytes.Equal(seg, want[i]) {
			t.Fatalf("segment %d of %d, partial\n%x\nwant\n%x", i, len(want), seg, want[i])
		}
	}
	if !bytes.Equal(before, pkt) {
		t.Fatal("the superpacket was changed")
	}
}

func TestSegmentsOfTCPAreThoseBuiltOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tcp, size := anyTCP(t, 9000), rapid.IntRange(1, 1500).Draw(t, "segment size")
		checkSegments(t, tcp.Build(), size, tcp.Segments(size))
	})
}

func TestSegmentsOfUDPAreThoseBuiltOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		udp := packettest.UDP{IP: anyIP(t), SrcPort: 7, DstPort: 9, Payload: payloadOf(t, 9000)}
		size := rapid.IntRange(1, 1500).Draw(t, "segment size")
		checkSegments(t, udp.Build(), size, udp.Segments(size))
	})
}

func TestUncheckedUDPStaysUncheckedOverIPv4Only(t *testing.T) {
	for _, ip := range []packettest.IP{ip4, ip6} {
		pkt := packettest.UDP{IP: ip, Payload: make([]byte, 300), Unchecked: true}.Build()
		unchecked := ip.Src.Is4()
		var s packet.Segmenter
		if err := s.Reset(pkt, 100, 0, 0); err != nil || s.Unchecked() != unchecked {
			t.Errorf("%v: unchecked %v, %v", ip.Src, s.Unchecked(), err)
		}
		for _, seg := range segments(t, pkt, 100, 0, 0) {
			if got := u16(seg[packettest.Transport(seg)+6:]) == 0; got != unchecked {
				t.Errorf("%v: checksum 0 is %v, want %v", ip.Src, got, unchecked)
			}
			if err := packettest.Verify(seg); err != nil {
				t.Errorf("%v: %v", ip.Src, err)
			}
		}
		for _, seg := range cut(t, packet.Superpacket{Data: pkt, SegmentSize: 100}, true) {
			if got := u16(seg[packettest.Transport(seg)+6:]) == 0; got != unchecked {
				t.Errorf("%v: partial checksum 0 is %v, want %v", ip.Src, got, unchecked)
			}
		}
	}
}

func TestUDPWhosePartialChecksumIsZeroIsNotUnchecked(t *testing.T) {
	pkt := packettest.UDP{IP: ip4, Payload: make([]byte, 300), Unchecked: true}.Build()
	var s packet.Segmenter
	if err := s.Reset(pkt, 100, 20, 6); err != nil || s.Unchecked() {
		t.Fatalf("unchecked %v, %v", s.Unchecked(), err)
	}
	for _, seg := range segments(t, pkt, 100, 20, 6) {
		if u16(seg[26:]) == 0 {
			t.Error("a segment without checksum")
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
		if err := s.Reset(tcp(v4), 1000, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Reset(c.pkt, c.size, c.start, c.offset); !errors.Is(err, c.want) || s.Count() != 0 {
			t.Errorf("%s: %v, %d segments", name, err, s.Count())
		}
		if _, _, ok := s.Next(make([]byte, packet.MaxHeader)); ok {
			t.Errorf("%s: has a segment of the packet before", name)
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
			s.NextPartial(hdr)
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
			if _, _, ok := s.NextPartial(nil); ok {
				t.Fatal("a segment of what is refused")
			}
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

func FuzzSegmenterPartial(f *testing.F) {
	f.Add(packettest.TCP{IP: ip4, Payload: make([]byte, 100)}.Build(), 30, 20, 16)
	f.Add(packettest.UDP{IP: ip4, Payload: make([]byte, 100)}.Build(), 30, 20, 6)
	f.Add(packettest.UDP{IP: ip4, Payload: make([]byte, 100), Unchecked: true}.Build(), 30, 0, 0)
	f.Add(packettest.TCP{IP: chain(padding(60)), Payload: make([]byte, 100)}.Build(), 30, 48, 16)
	f.Fuzz(func(t *testing.T, pkt []byte, size, start, offset int) {
		var s packet.Segmenter
		if s.Reset(pkt, size, start, offset) != nil {
			return
		}
		complete := segments(t, pkt, size, start, offset)
		partial := cut(t, packet.Superpacket{Data: pkt, SegmentSize: size, ChecksumStart: start, ChecksumOffset: offset}, true)
		if len(partial) != len(complete) {
			t.Fatalf("%d segments, want %d", len(partial), len(complete))
		}
		for i, seg := range partial {
			if !s.Unchecked() {
				finish(t, seg)
			}
			if !bytes.Equal(seg, oneZero(complete[i])) {
				t.Fatalf("segment %d\n%x\nwant\n%x", i, seg, complete[i])
			}
		}
	})
}

// finish completes the partial checksum of pkt.
func finish(t rapid.TB, pkt []byte) {
	t.Helper()
	start, offset, err := packet.PartialChecksum(pkt)
	if err == nil {
		err = packet.CompleteChecksum(pkt, start, offset)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// oneZero gives the TCP checksum of pkt, if it is zero, the form that CompleteChecksum writes.
func oneZero(pkt []byte) []byte {
	if start, offset, err := packet.PartialChecksum(pkt); err == nil && offset == 16 && u16(pkt[start+16:]) == 0 {
		binary.BigEndian.PutUint16(pkt[start+16:], 0xffff)
	}
	return pkt
}
