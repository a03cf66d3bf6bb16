package packet_test

import (
	"testing"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

// benchTCP is a superpacket of 60 KB with timestamps, its checksum partial, and the payload size of its segments.
func benchTCP(ip packettest.IP) packet.Superpacket {
	tcp := packettest.TCP{
		IP: ip, SrcPort: 5201, DstPort: 40000, Flags: packettest.ACK | packettest.PSH,
		Options: []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, Payload: make([]byte, 59000),
	}
	p := packet.Superpacket{Data: tcp.Build(), SegmentSize: 1374}
	p.ChecksumStart, p.ChecksumOffset = packettest.Partial(p.Data)
	return p
}

func benchUDP(ip packettest.IP) packet.Superpacket {
	p := packet.Superpacket{Data: packettest.UDP{IP: ip, SrcPort: 1, DstPort: 2, Payload: make([]byte, 59000)}.Build(), SegmentSize: 1386}
	p.ChecksumStart, p.ChecksumOffset = packettest.Partial(p.Data)
	return p
}

// benchmarkSegments reports what one superpacket costs, and what each of its segments.
func benchmarkSegments(b *testing.B, next func(*packet.Segmenter, []byte) (int, []byte, bool)) {
	for name, p := range map[string]packet.Superpacket{
		"TCP4": benchTCP(ip4), "TCP6": benchTCP(ip6), "UDP4": benchUDP(ip4), "UDP6": benchUDP(ip6),
	} {
		b.Run(name, func(b *testing.B) {
			var s packet.Segmenter
			hdr := make([]byte, 64<<10)
			segments := 0
			for b.Loop() {
				if err := s.Reset(p.Data, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset); err != nil {
					b.Fatal(err)
				}
				for at := 0; ; segments++ {
					n, _, ok := next(&s, hdr[at:])
					if !ok {
						break
					}
					at += n + 8
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(segments), "ns/segment")
		})
	}
}

func BenchmarkSegmentsWithPartialChecksums(b *testing.B) {
	benchmarkSegments(b, (*packet.Segmenter).NextPartial)
}

func BenchmarkSegmentsWithCompleteChecksums(b *testing.B) {
	benchmarkSegments(b, (*packet.Segmenter).Next)
}

// benchmarkCoalescer joins the segments of several superpackets, one of each in turn.
func benchmarkCoalescer(b *testing.B, partial bool, supers ...packet.Superpacket) {
	var flows [][][]byte
	for _, p := range supers {
		flows = append(flows, cut(b, p, partial))
	}
	c := packet.NewCoalescer(packet.CoalescerOptions{TCP: true, UDP: true})
	segments := 0
	for b.Loop() {
		for i := range flows[0] {
			for _, f := range flows {
				if err := c.Add(f[i], partial); err != nil {
					b.Fatal(err)
				}
			}
		}
		if n := len(c.Packets()); n != len(supers) {
			b.Fatalf("%d superpackets, want %d", n, len(supers))
		}
		c.Reset()
		segments += len(flows) * len(flows[0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(segments), "ns/segment")
}

// fourOf makes four flows.
func fourOf(p func(packettest.IP) packet.Superpacket) (all []packet.Superpacket) {
	ip := ip4
	for range 4 {
		ip.Src = ip.Src.Next()
		all = append(all, p(ip))
	}
	return all
}

func BenchmarkCoalescer(b *testing.B) {
	b.Run("TCP4", func(b *testing.B) { benchmarkCoalescer(b, true, benchTCP(ip4)) })
	b.Run("TCP6", func(b *testing.B) { benchmarkCoalescer(b, true, benchTCP(ip6)) })
	b.Run("UDP4", func(b *testing.B) { benchmarkCoalescer(b, true, benchUDP(ip4)) })
	b.Run("UDP6", func(b *testing.B) { benchmarkCoalescer(b, true, benchUDP(ip6)) })
	b.Run("TCP4 of four flows in turn", func(b *testing.B) { benchmarkCoalescer(b, true, fourOf(benchTCP)...) })
	b.Run("TCP4 with complete checksums", func(b *testing.B) { benchmarkCoalescer(b, false, benchTCP(ip4)) })
}

func BenchmarkCoalescerOfWhatCannotBeJoined(b *testing.B) {
	for name, pkt := range map[string][]byte{
		"acknowledgement": packettest.TCP{IP: ip4, Flags: packettest.ACK}.Build(),
		"same datagram":   packettest.UDP{IP: ip4, Payload: make([]byte, 64)}.Build(),
	} {
		b.Run(name, func(b *testing.B) {
			packettest.Partial(pkt)
			c := packet.NewCoalescer(packet.CoalescerOptions{TCP: true, UDP: true})
			for b.Loop() {
				if c.Add(pkt, true) == packet.ErrFull {
					c.Reset()
				}
			}
		})
	}
}
