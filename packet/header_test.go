package packet_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"pgregory.net/rapid"
)

var (
	ip4 = packettest.IP{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), TOS: 0xb9, TTL: 9}
	ip6 = packettest.IP{Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("fd00::2"), TOS: 0xb9, TTL: 9}
)

// chain is ip6 with extension headers. Each is given as its protocol and its bytes.
func chain(extensions ...packettest.Extension) packettest.IP {
	ip := ip6
	ip.Extensions = extensions
	return ip
}

func ext(proto uint8, body ...byte) packettest.Extension {
	return packettest.Extension{Proto: proto, Bytes: body}
}

func padding(proto uint8) packettest.Extension { return ext(proto, 0, 0, 1, 4, 0, 0, 0, 0) }

func repeat(n int) []packettest.Extension {
	var all []packettest.Extension
	for range n {
		all = append(all, padding(60))
	}
	return all
}

func TestParseReadsTheHeaders(t *testing.T) {
	with := func(ip packettest.IP, options ...byte) packettest.IP { ip.Options = options; return ip }
	fragment4 := func(hi, lo byte) []byte {
		pkt := packettest.UDP{IP: ip4, Payload: make([]byte, 16)}.Build()
		pkt[6], pkt[7] = hi, lo
		return pkt
	}
	body := make([]byte, 16)
	for name, c := range map[string]struct {
		pkt      []byte
		proto    uint8
		l4       int
		fragment bool
	}{
		"IPv4 UDP":                      {packettest.UDP{IP: ip4}.Build(), 17, 20, false},
		"IPv4 with options":             {packettest.TCP{IP: with(ip4, 1, 1, 1, 0)}.Build(), 6, 24, false},
		"IPv4 nothing behind":           {ip4.Build(253, nil), 253, 20, false},
		"IPv4 Don't Fragment":           {fragment4(0x40, 0), 17, 20, false},
		"IPv4 first fragment":           {fragment4(0x20, 0), 17, 20, true},
		"IPv4 last fragment":            {fragment4(0, 1), 17, 20, true},
		"IPv6 TCP":                      {packettest.TCP{IP: ip6}.Build(), 6, 40, false},
		"IPv6 ICMP":                     {ip6.Build(58, body), 58, 40, false},
		"IPv6 nothing behind":           {ip6.Build(59, nil), 59, 40, false},
		"IPv6 ESP ends the walk":        {ip6.Build(50, body), 50, 40, false},
		"IPv6 hop by hop, destination":  {packettest.UDP{IP: chain(padding(0), padding(60))}.Build(), 17, 56, false},
		"IPv6 longest chain":            {packettest.UDP{IP: chain(repeat(8)...)}.Build(), 17, 104, false},
		"IPv6 routing":                  {packettest.UDP{IP: chain(ext(43, 0, 0, 4, 1, 0, 0, 0, 0))}.Build(), 17, 48, false},
		"IPv6 authentication":           {packettest.UDP{IP: chain(ext(51, make([]byte, 12)...))}.Build(), 0, 0, false},
		"IPv6 first fragment":           {packettest.UDP{IP: chain(ext(44, 0, 0, 0, 1, 0, 0, 0, 0))}.Build(), 17, 48, true},
		"IPv6 atomic fragment":          {packettest.UDP{IP: chain(ext(44, 0, 0, 0, 0, 0, 0, 0, 0))}.Build(), 17, 48, true},
		"IPv6 later fragment":           {packettest.UDP{IP: chain(ext(44, 0, 0, 0, 8, 0, 0, 0, 0))}.Build(), 17, 48, true},
		"IPv6 later fragment of a walk": {chain(ext(44, 0, 0, 1, 0, 0, 0, 0, 0)).Build(60, body), 60, 48, true},
	} {
		want := ip4
		if c.pkt[0]>>4 == 6 {
			want = ip6
		}
		if name == "IPv6 authentication" { // its length is in units of 4 bytes, less 2
			c.pkt[41], c.proto, c.l4 = 1, 17, 52
		}
		h, err := packet.Parse(append(c.pkt, 1, 2, 3)) // what follows is not part of the packet
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if h.Proto != c.proto || h.L4 != c.l4 || h.Fragment != c.fragment || h.Length != len(c.pkt) {
			t.Errorf("%s: proto %d, transport at %d, fragment %v, length %d; want %+v", name, h.Proto, h.L4, h.Fragment, h.Length, c)
		}
		if h.Version != c.pkt[0]>>4 || h.TOS != want.TOS || h.TTL != want.TTL || h.Src != want.Src || h.Dst != want.Dst {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func TestParseRefusesWhatIsNoPacket(t *testing.T) {
	cut := func(pkt []byte, n int) []byte { return pkt[:n] }
	change := func(pkt []byte, at int, v byte) []byte { pkt[at] = v; return pkt }
	udp4, udp6 := packettest.UDP{IP: ip4}.Build, packettest.UDP{IP: ip6}.Build
	for name, c := range map[string]struct {
		pkt  []byte
		want error
	}{
		"nothing":                         {nil, packet.ErrShort},
		"one byte":                        {[]byte{0x45}, packet.ErrShort},
		"version 0":                       {make([]byte, 60), packet.ErrVersion},
		"version 5":                       {change(udp4(), 0, 0x55), packet.ErrVersion},
		"IPv4 cut in its header":          {cut(udp4(), 19), packet.ErrShort},
		"IPv4 cut behind its header":      {cut(udp4(), 27), packet.ErrLength},
		"IPv4 header length too small":    {change(udp4(), 0, 0x44), packet.ErrLength},
		"IPv4 header beyond the packet":   {change(udp4(), 0, 0x4f), packet.ErrLength},
		"IPv4 length of 0":                {change(udp4(), 3, 0), packet.ErrLength},
		"IPv6 cut in its header":          {cut(udp6(), 39), packet.ErrShort},
		"IPv6 cut behind its header":      {cut(udp6(), 47), packet.ErrLength},
		"IPv6 extension cut":              {ip6.Build(60, make([]byte, 7)), packet.ErrExtensions},
		"IPv6 extension beyond":           {ip6.Build(60, []byte{17, 1, 0, 0, 0, 0, 0, 0}), packet.ErrExtensions},
		"IPv6 extension of 255 units":     {ip6.Build(60, []byte{60, 255, 0, 0, 0, 0, 0, 0}), packet.ErrExtensions},
		"IPv6 authentication of 255":      {ip6.Build(51, []byte{51, 255, 0, 0, 0, 0, 0, 0}), packet.ErrExtensions},
		"IPv6 one extension too many":     {packettest.UDP{IP: chain(repeat(9)...)}.Build(), packet.ErrExtensions},
		"IPv6 extension behind a jumbo 0": {change(change(ip6.Build(0, make([]byte, 8)), 4, 0), 5, 0), packet.ErrExtensions},
	} {
		if _, err := packet.Parse(c.pkt); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAddrsAgreesWithParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pkt := packettest.UDP{IP: anyIP(t)}.Build()
		src, dst, ok := packet.Addrs(pkt)
		h, err := packet.Parse(pkt)
		if !ok || err != nil || src != h.Src || dst != h.Dst {
			t.Fatalf("Addrs: %v, %v, %v; Parse: %+v, %v", src, dst, ok, h, err)
		}
	})
}

func TestAddrsRefusesWhatIsTooShort(t *testing.T) {
	for _, pkt := range [][]byte{nil, {0x45}, packettest.UDP{IP: ip4}.Build()[:19], packettest.UDP{IP: ip6}.Build()[:39], make([]byte, 60)} {
		if _, _, ok := packet.Addrs(pkt); ok {
			t.Errorf("addresses in %x", pkt)
		}
	}
}

func TestReadingHeadersAllocatesNothing(t *testing.T) {
	good := packettest.TCP{IP: chain(repeat(3)...), Payload: make([]byte, 1000)}.Build()
	bad := packettest.UDP{IP: chain(repeat(9)...)}.Build()
	if n := testing.AllocsPerRun(100, func() {
		_, _, _ = packet.Addrs(good)
		_, _ = packet.Parse(good)
		_, _ = packet.Parse(bad)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(packettest.TCP{IP: ip4}.Build())
	f.Add(packettest.UDP{IP: chain(repeat(8)...), Payload: []byte("x")}.Build())
	f.Add(packettest.UDP{IP: chain(ext(44, 0, 0, 0, 8, 0, 0, 0, 0))}.Build())
	f.Add(ip6.Build(60, []byte{60, 255, 0, 0, 0, 0, 0, 0}))
	f.Fuzz(func(t *testing.T, pkt []byte) {
		h, err := packet.Parse(pkt)
		src, dst, ok := packet.Addrs(pkt)
		if err != nil {
			return
		}
		if h.L4 > h.Length || h.Length > len(pkt) || h.L4 < 20 {
			t.Fatalf("transport at %d, length %d of %d", h.L4, h.Length, len(pkt))
		}
		if !ok || src != h.Src || dst != h.Dst || src.Is4In6() && h.Version == 4 {
			t.Fatalf("Addrs: %v, %v, %v; Parse: %+v", src, dst, ok, h)
		}
	})
}
