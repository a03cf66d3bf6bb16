package packet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"pgregory.net/rapid"
)

func TestPartialChecksumIsFoundWhereTheKernelLeftIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pkt []byte
		if rapid.Bool().Draw(t, "tcp") {
			pkt = anyTCP(t, 1500).Build()
		} else {
			pkt = packettest.UDP{IP: anyIP(t), Payload: payloadOf(t, 1500)}.Build()
		}
		wantStart, wantOffset := packettest.Partial(pkt)
		before := bytes.Clone(pkt)
		start, offset, err := packet.PartialChecksum(pkt)
		if err != nil || start != wantStart || offset != wantOffset || !bytes.Equal(pkt, before) {
			t.Fatalf("%d, %d, %v, want %d, %d", start, offset, err, wantStart, wantOffset)
		}
		if err := packet.CompleteChecksum(pkt, start, offset); err != nil {
			t.Fatal(err)
		}
		if err := packettest.Verify(pkt); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPartialChecksumBehindExtensionHeadersIsFound(t *testing.T) {
	arrived := ext(43, 0, 0, 4, 0, 0, 0, 0, 0)
	for name, ip := range map[string]packettest.IP{"padding": chain(padding(60), padding(0)), "a route at its end": chain(arrived)} {
		pkt := packettest.TCP{IP: ip, Payload: []byte("payload")}.Build()
		if start, offset, err := packet.PartialChecksum(pkt); err != nil || start != packettest.Transport(pkt) || offset != 16 {
			t.Errorf("%s: %d, %d, %v", name, start, offset, err)
		}
	}
}

func TestPartialChecksumOfOtherPacketsIsRefused(t *testing.T) {
	tcp := func(ip packettest.IP) []byte { return packettest.TCP{IP: ip, Payload: make([]byte, 20)}.Build() }
	udp := func() []byte { return packettest.UDP{IP: ip4, Payload: make([]byte, 20)}.Build() }
	change := func(pkt []byte, at int, to byte) []byte { pkt[at] = to; return pkt }
	for name, c := range map[string]struct {
		pkt  []byte
		want error
	}{
		"nothing":                   {nil, packet.ErrShort},
		"not IP":                    {[]byte{0x50}, packet.ErrVersion},
		"cut packet":                {udp()[:40], packet.ErrLength},
		"bytes behind the packet":   {append(udp(), 0), packet.ErrLength},
		"bytes behind TCP":          {append(tcp(ip4), 0), packet.ErrLength},
		"first fragment":            {change(udp(), 6, 0x20), packet.ErrPartial},
		"later fragment":            {change(udp(), 7, 1), packet.ErrPartial},
		"IPv6 fragment":             {tcp(chain(ext(44, 0, 0, 0, 1, 0, 0, 0, 0))), packet.ErrPartial},
		"IPv6 atomic fragment":      {tcp(chain(ext(44, 0, 0, 0, 0, 0, 0, 0, 0))), packet.ErrPartial},
		"IPv6 authentication":       {tcp(chain(ext(51, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))), packet.ErrPartial},
		"IPv6 routing, one to go":   {tcp(chain(ext(43, 0, 0, 4, 1, 0, 0, 0, 0))), packet.ErrPartial},
		"endless extensions":        {tcp(chain(repeat(20)...)), packet.ErrExtensions},
		"ICMP":                      {ip4.Build(packet.ProtoICMP, make([]byte, 30)), packet.ErrPartial},
		"another protocol":          {ip6.Build(132, make([]byte, 30)), packet.ErrPartial},
		"TCP cut in its header":     {ip4.Build(packet.ProtoTCP, make([]byte, 19)), packet.ErrShort},
		"TCP data offset too small": {change(tcp(ip4), 32, 0x40), packet.ErrLength},
		"TCP data offset too big":   {change(tcp(ip4), 32, 0xf0), packet.ErrShort},
		"UDP cut in its header":     {ip4.Build(packet.ProtoUDP, make([]byte, 7)), packet.ErrShort},
		"UDP shorter than IP":       {change(udp(), 25, 27), packet.ErrLength},
		"UDP longer than IP":        {change(udp(), 25, 29), packet.ErrLength},
	} {
		if start, offset, err := packet.PartialChecksum(c.pkt); !errors.Is(err, c.want) || start != 0 || offset != 0 {
			t.Errorf("%s: %d, %d, %v, want %v", name, start, offset, err, c.want)
		}
	}
}

func TestFindingAPartialChecksumAllocatesNothing(t *testing.T) {
	pkt := packettest.TCP{IP: chain(padding(60)), Payload: make([]byte, 1000)}.Build()
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := packet.PartialChecksum(pkt); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPartialChecksum(f *testing.F) {
	f.Add(packettest.TCP{IP: ip4, Payload: make([]byte, 9)}.Build())
	f.Add(packettest.UDP{IP: ip4, Payload: make([]byte, 9)}.Build())
	f.Add(packettest.TCP{IP: chain(padding(0), ext(43, 0, 0, 4, 0, 0, 0, 0, 0)), Payload: make([]byte, 9)}.Build())
	f.Add(packettest.UDP{IP: chain(ext(44, 0, 0, 0, 1, 0, 0, 0, 0))}.Build())
	f.Fuzz(func(t *testing.T, raw []byte) {
		pkt := bytes.Clone(raw)
		start, offset, err := packet.PartialChecksum(pkt)
		if err != nil {
			return
		}
		h, err := packet.Parse(pkt)
		if err != nil || h.Fragment || h.L4 != start || h.Length != len(pkt) {
			t.Fatalf("a packet of %+v is taken, %v", h, err)
		}
		if h.Version == 4 { // its header's own checksum is nobody's concern here
			clear(pkt[10:12])
			binary.BigEndian.PutUint16(pkt[10:], ^packet.Fold(packet.Sum(pkt[:start], 0)))
		}
		if s, o := packettest.Partial(pkt); s != start || o != offset {
			t.Fatalf("found at %d and %d, is at %d and %d", start, offset, s, o)
		}
		if err := packet.CompleteChecksum(pkt, start, offset); err != nil {
			t.Fatal(err)
		}
		if err := packettest.Verify(pkt); err != nil {
			t.Fatal(err)
		}
	})
}
