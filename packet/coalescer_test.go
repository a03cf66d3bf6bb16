package packet_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"pgregory.net/rapid"
)

// arrival is a packet as it comes to a Coalescer.
type arrival struct {
	pkt     []byte
	partial bool
}

func joinAll() *packet.Coalescer {
	return packet.NewCoalescer(packet.CoalescerOptions{TCP: true, UDP: true})
}

// coalesce returns what a new Coalescer makes of the packets.
func coalesce(t rapid.TB, in []arrival) []packet.Superpacket {
	t.Helper()
	c := joinAll()
	for i, a := range in {
		if err := c.Add(a.pkt, a.partial); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	return c.Packets()
}

// arrivals makes the checksums partial, if they are to be, and hands the packets over.
func arrivals(pkts [][]byte, partial bool) (all []arrival) {
	for _, pkt := range pkts {
		if partial {
			packettest.Partial(pkt)
		}
		all = append(all, arrival{pkt, partial})
	}
	return all
}

// whole is p in one piece.
func whole(p packet.Superpacket) packet.Superpacket {
	p.Data, p.Tail = bytes.Join(append([][]byte{p.Data}, p.Tail...), nil), nil
	return p
}

// superpacket is pkt, its checksum made partial, with segments of size bytes.
func superpacket(pkt []byte, size int) packet.Superpacket {
	p := packet.Superpacket{Data: pkt, SegmentSize: size}
	p.ChecksumStart, p.ChecksumOffset = packettest.Partial(pkt)
	return p
}

func samePacket(a, b packet.Superpacket) bool {
	return bytes.Equal(a.Data, b.Data) && a.SegmentSize == b.SegmentSize &&
		a.ChecksumStart == b.ChecksumStart && a.ChecksumOffset == b.ChecksumOffset
}

// anySuperpacket draws one that has at least two segments, as the kernel would hand it over.
func anySuperpacket(t *rapid.T) packet.Superpacket {
	const most = 9000
	var pkt []byte
	segments := 1000
	if rapid.Bool().Draw(t, "tcp") {
		tcp := anyTCP(t, most)
		tcp.Flags = tcp.Flags&^(packettest.SYN|packettest.RST|packettest.URG) | packettest.ACK
		tcp.Payload = append(tcp.Payload, 1, 2)
		pkt = tcp.Build()
	} else {
		segments = 64
		pkt = packettest.UDP{IP: anyIP(t), SrcPort: 7, DstPort: 9, Payload: append(payloadOf(t, most), 1, 2)}.Build()
	}
	payload := len(packettest.Payload(pkt))
	return superpacket(pkt, rapid.IntRange(payload/segments+1, payload-1).Draw(t, "segment size"))
}

func TestCoalescingWhatWasSegmentedGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, partial := anySuperpacket(t), rapid.Bool().Draw(t, "partial")
		var in []arrival
		for _, pkt := range cut(t, want, partial) {
			in = append(in, arrival{pkt, partial})
		}
		got := coalesce(t, in)
		if len(got) != 1 || !samePacket(whole(got[0]), want) {
			t.Fatalf("%d packets: %+v\nwant\n%+v", len(got), got, want)
		}
	})
}

func TestCoalescingIsTheInverseOfSegmentsBuiltOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tcp := anyTCP(t, 9000)
		tcp.Flags = packettest.ACK | rapid.SampledFrom([]uint8{0, packettest.PSH, packettest.CWR | packettest.ECE, packettest.FIN}).Draw(t, "flags")
		tcp.Payload = append(tcp.Payload, 1, 2)
		size := rapid.IntRange(len(tcp.Payload)/1000+1, len(tcp.Payload)-1).Draw(t, "segment size")
		got := coalesce(t, arrivals(tcp.Segments(size), rapid.Bool().Draw(t, "partial")))
		if want := superpacket(tcp.Build(), size); len(got) != 1 || !samePacket(whole(got[0]), want) {
			t.Fatalf("%d packets: %+v\nwant\n%+v", len(got), got, want)
		}
	})
}

func TestJoinedPayloadIsNotCopied(t *testing.T) {
	in := arrivals(packettest.UDP{IP: ip4, Payload: make([]byte, 250)}.Segments(100), true)
	got := coalesce(t, in)
	if len(got) != 1 || len(got[0].Tail) != len(in) || len(got[0].Data) != 28 {
		t.Fatalf("%+v", got)
	}
	for i, piece := range got[0].Tail {
		if &piece[0] != &in[i].pkt[28] || len(piece) != len(in[i].pkt)-28 {
			t.Errorf("piece %d is not the payload of packet %d", i, i)
		}
	}
}

// traffic draws packets of a few flows between two pairs of hosts: runs of segments of all kinds, their parts lost, repeated
// and changed here and there, between acknowledgements, fragments and ICMP.
func traffic(t *rapid.T) (in []arrival) {
	flows := make([][]arrival, rapid.IntRange(1, 4).Draw(t, "flows"))
	for i := range flows {
		for range rapid.IntRange(1, 3).Draw(t, "bursts") {
			flows[i] = append(flows[i], burst(t, uint16(i/2), i%2 == 0)...)
		}
	}
	for slices.ContainsFunc(flows, func(f []arrival) bool { return len(f) > 0 }) {
		f := &flows[rapid.IntRange(0, len(flows)-1).Draw(t, "flow")]
		n := min(rapid.IntRange(1, 5).Draw(t, "in a row"), len(*f))
		in, *f = append(in, (*f)[:n]...), (*f)[n:]
	}
	return in
}

func burst(t *rapid.T, port uint16, v4 bool) (in []arrival) {
	ip := ip6
	if v4 {
		ip = ip4
	}
	partial := rapid.Bool().Draw(t, "partial")
	size := rapid.IntRange(1, 20).Draw(t, "segment size")
	payload := bytes.Repeat([]byte{byte(size)}, rapid.IntRange(0, 100).Draw(t, "payload"))
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return arrivals([][]byte{ip.Build(packet.ProtoICMP, payload)}, false)
	case 1:
		fragment := packettest.UDP{IP: ip4, SrcPort: port, Payload: payload}.Build()
		fragment[6] = 0x20
		return arrivals([][]byte{fragment}, false)
	case 2:
		in = arrivals(packettest.UDP{IP: ip, SrcPort: port, Payload: payload}.Segments(size), partial)
	default:
		in = arrivals(packettest.TCP{IP: ip, SrcPort: port, Flags: packettest.ACK | packettest.PSH, Payload: payload}.Segments(size), partial)
	}
	at := rapid.IntRange(0, len(in)-1).Draw(t, "disturbed")
	switch rapid.IntRange(0, 3).Draw(t, "disturbance") {
	case 0:
		in = slices.Delete(in, at, at+1)
	case 1:
		in = slices.Insert(in, at, arrival{bytes.Clone(in[at].pkt), partial})
	case 2:
		bit := rapid.IntRange(0, len(in[at].pkt)*8-1).Draw(t, "bit")
		in[at].pkt[bit/8] ^= 1 << (bit % 8)
		in[at].partial = partial && canBePartial(in[at].pkt)
	}
	return in
}

func canBePartial(pkt []byte) bool {
	_, _, err := packet.PartialChecksum(pkt)
	return err == nil
}

func TestJoinedTrafficIsTheTrafficInTheOrderOfEachFlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := traffic(t)
		checkJoined(t, in, coalesce(t, in))
	})
}

// checkJoined cuts what came out again, and compares with what went in: packet by packet within each flow, and within each
// pair of addresses against the packets that have no ports.
func checkJoined(t rapid.TB, in []arrival, out []packet.Superpacket) {
	t.Helper()
	var want, got []string
	flows := map[string]bool{"": true}
	for _, a := range in {
		want = append(want, normal(t, a))
		flows[flowName(a.pkt)] = true
	}
	for _, p := range out {
		for _, a := range apart(t, p) {
			got = append(got, normal(t, a))
		}
	}
	for flow := range flows {
		w, g := ofFlow(want, flow), ofFlow(got, flow)
		if !slices.Equal(w, g) {
			t.Fatalf("flow %q: out come %d packets, %d went in, or they differ\n%x\nwant\n%x", flow, len(g), len(w), g, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d packets, want %d", len(got), len(want))
	}
}

// apart cuts a superpacket, with partial checksums; it checks the promises about its form.
func apart(t rapid.TB, p packet.Superpacket) (all []arrival) {
	t.Helper()
	if p.SegmentSize == 0 {
		if len(p.Tail) != 0 {
			t.Fatalf("a plain packet with a tail: %+v", p)
		}
		return []arrival{{p.Data, p.Partial()}}
	}
	if len(p.Tail) < 2 || p.Len() > 65535 {
		t.Fatalf("superpacket of %d segments, %d bytes", len(p.Tail), p.Len())
	}
	one := whole(p)
	if start, offset, err := packet.PartialChecksum(one.Data); err != nil || start != p.ChecksumStart || offset != p.ChecksumOffset {
		t.Fatalf("checksum at %d and %d: %v", p.ChecksumStart, p.ChecksumOffset, err)
	}
	finished := bytes.Clone(one.Data)
	finish(t, finished)
	if err := packettest.Verify(finished); err != nil {
		t.Fatal(err)
	}
	for _, pkt := range cut(t, one, true) {
		all = append(all, arrival{pkt, true})
	}
	if len(all) != len(p.Tail) {
		t.Fatalf("%d segments of %d pieces", len(all), len(p.Tail))
	}
	return all
}

// normal is the packet with its checksum complete, and without an identification that means nothing (RFC 6864).
func normal(t rapid.TB, a arrival) string {
	pkt := bytes.Clone(a.pkt)
	if a.partial {
		finish(t, pkt)
	}
	if h, err := packet.Parse(pkt); err == nil && h.Version == 4 && h.Proto == packet.ProtoUDP && pkt[6] == 0x40 {
		header := pkt[:h.L4]
		if packet.Fold(packet.Sum(header, 0)) == 0xffff {
			copy(header[4:], []byte{0, 0})
			copy(header[10:], []byte{0, 0})
		}
	}
	return string(oneZero(pkt))
}

// flowName is empty for what is no packet, and ends with ":" if there are no ports that tell a flow.
func flowName(pkt []byte) string {
	src, dst, ok := packet.Addrs(pkt)
	switch {
	case !ok:
		return ""
	case !canBePartial(pkt):
		return fmt.Sprintf("%v %v:", src, dst)
	}
	h, _ := packet.Parse(pkt)
	return fmt.Sprintf("%v %v:%d %x", src, dst, h.Proto, pkt[h.L4:h.L4+4])
}

// ofFlow returns the packets of the flow, and those that may belong to any flow of its addresses.
func ofFlow(pkts []string, flow string) (all []string) {
	for _, pkt := range pkts {
		name := flowName([]byte(pkt))
		if name == flow || name == "" || name[len(name)-1] == ':' && len(flow) > len(name) && flow[:len(name)] == name {
			all = append(all, pkt)
		}
	}
	return all
}
