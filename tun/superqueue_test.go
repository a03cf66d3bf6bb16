package tun

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

var _ PolledQueue = (*superQueue)(nil)

// fakeKernel is the other end of a superQueue whose descriptor is a socket: one message is one packet.
type fakeKernel struct{ fd int }

func newFakeKernel(t testing.TB, able abilities) (*superQueue, *fakeKernel) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[1]) })
	q, err := newSuperQueue(&queue{fd: fds[0], name: "weft0"}, able)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.close)
	return q, &fakeKernel{fds[1]}
}

func (k *fakeKernel) send(t testing.TB, b []byte) {
	t.Helper()
	if _, err := unix.Write(k.fd, b); err != nil {
		t.Fatal(err)
	}
}

// receive returns all packets that were written.
func (k *fakeKernel) receive(t testing.TB) (headers []virtioHeader, packets [][]byte) {
	t.Helper()
	buf := make([]byte, 1<<17)
	for {
		n, err := unix.Read(k.fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return headers, packets
		}
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, readVirtioHeader(buf))
		packets = append(packets, bytes.Clone(buf[virtioHeaderLen:n]))
	}
}

// behind is pkt behind the header.
func behind(h virtioHeader, pkt []byte) []byte {
	b := make([]byte, virtioHeaderLen)
	h.put(b)
	return append(b, pkt...)
}

var (
	testIP6  = packettest.IP{Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("fd00::2")}
	bigUDP   = packettest.UDP{IP: testIP, Payload: make([]byte, 3001)}.Build()
	bigTCP   = packettest.TCP{IP: testIP, Flags: packettest.ACK, Payload: make([]byte, 3001)}.Build()
	bigTCP6  = packettest.TCP{IP: testIP6, Flags: packettest.ACK, Options: make([]byte, 12), Payload: make([]byte, 3001)}.Build()
	bigUDP6  = packettest.UDP{IP: testIP6, Payload: make([]byte, 3001)}.Build()
	fragment = packettest.UDP{IP: packettest.IP{Src: testIP.Src, Dst: testIP.Dst, NoDF: true}, Payload: make([]byte, 3001)}
)

const (
	needsCsum = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	gsoTCP4   = unix.VIRTIO_NET_HDR_GSO_TCPV4
	gsoTCP6   = unix.VIRTIO_NET_HDR_GSO_TCPV6
	gsoUDP    = unix.VIRTIO_NET_HDR_GSO_UDP_L4
	gsoECN    = unix.VIRTIO_NET_HDR_GSO_ECN
)

func TestPacketIsReadAsItsHeaderSays(t *testing.T) {
	for name, c := range map[string]struct {
		h        virtioHeader
		pkt      []byte
		want     packet.Superpacket
		segments uint64
	}{
		"plain":                        {virtioHeader{}, testUDP, packet.Superpacket{}, 1},
		"partial":                      {virtioHeader{needsCsum, 0, 0, 0, 20, 6}, testUDP, packet.Superpacket{ChecksumStart: 20, ChecksumOffset: 6}, 1},
		"flags that do not matter":     {virtioHeader{flags: 6}, testUDP, packet.Superpacket{}, 1},
		"TCP over IPv4":                {virtioHeader{needsCsum, gsoTCP4, 40, 1000, 20, 16}, bigTCP, packet.Superpacket{SegmentSize: 1000, ChecksumStart: 20, ChecksumOffset: 16}, 4},
		"TCP with CWR":                 {virtioHeader{needsCsum, gsoTCP4 | gsoECN, 40, 3000, 20, 16}, bigTCP, packet.Superpacket{SegmentSize: 3000, ChecksumStart: 20, ChecksumOffset: 16}, 2},
		"TCP with a complete checksum": {virtioHeader{0, gsoTCP4, 40, 1000, 0, 0}, bigTCP, packet.Superpacket{SegmentSize: 1000}, 4},
		"TCP over IPv6":                {virtioHeader{needsCsum, gsoTCP6, 72, 1000, 40, 16}, bigTCP6, packet.Superpacket{SegmentSize: 1000, ChecksumStart: 40, ChecksumOffset: 16}, 4},
		"a wrong length of headers":    {virtioHeader{needsCsum, gsoTCP6, 9999, 1000, 40, 16}, bigTCP6, packet.Superpacket{SegmentSize: 1000, ChecksumStart: 40, ChecksumOffset: 16}, 4},
		"UDP over IPv4":                {virtioHeader{needsCsum, gsoUDP, 28, 1000, 20, 6}, bigUDP, packet.Superpacket{SegmentSize: 1000, ChecksumStart: 20, ChecksumOffset: 6}, 4},
		"UDP over IPv6":                {virtioHeader{needsCsum, gsoUDP, 48, 1000, 40, 6}, bigUDP6, packet.Superpacket{SegmentSize: 1000, ChecksumStart: 40, ChecksumOffset: 6}, 4},
		"one segment":                  {virtioHeader{needsCsum, gsoUDP, 48, 3001, 40, 6}, bigUDP6, packet.Superpacket{ChecksumStart: 40, ChecksumOffset: 6}, 1},
	} {
		q, kernel := newFakeKernel(t, abilities{})
		kernel.send(t, behind(c.h, c.pkt))
		batch, err := q.TryRead()
		if err != nil || len(batch) != 1 {
			t.Errorf("%s: %d, %v", name, len(batch), err)
			continue
		}
		got := batch[0]
		if !bytes.Equal(got.Data, c.pkt) || got.Tail != nil || got.SegmentSize != c.want.SegmentSize ||
			got.ChecksumStart != c.want.ChecksumStart || got.ChecksumOffset != c.want.ChecksumOffset {
			t.Errorf("%s: %d bytes, %d, %d+%d", name, len(got.Data), got.SegmentSize, got.ChecksumStart, got.ChecksumOffset)
		}
		var counters ReadCounters
		q.reader.shared.addTo(&counters)
		if counters != (ReadCounters{1, 1, c.segments, uint64(len(c.pkt))}) {
			t.Errorf("%s: counted %+v", name, counters)
		}
	}
}

func TestWhatMakesNoSenseIsLeftOutAndCounted(t *testing.T) {
	piece := fragment.Build()
	piece[6] = 0x20 // more fragments
	shortTCP := packettest.IP{Src: testIP.Src, Dst: testIP.Dst}.Build(packet.ProtoTCP, make([]byte, 19))
	longTCP := bytes.Clone(bigTCP[:50])
	longTCP[3], longTCP[20+12] = 50, 0xf0 // options behind the end
	for name, message := range map[string][]byte{
		"no packet":                        behind(virtioHeader{}, nil),
		"less than a header":               make([]byte, 9),
		"a checksum behind the end":        behind(virtioHeader{flags: needsCsum, csumStart: uint16(len(testUDP) - 7), csumOffset: 6}, testUDP),
		"a checksum far behind the end":    behind(virtioHeader{flags: needsCsum, csumStart: 0xffff, csumOffset: 0xffff}, testUDP),
		"a checksum without a place":       behind(virtioHeader{flags: needsCsum}, testUDP),
		"segments without a size":          behind(virtioHeader{needsCsum, gsoUDP, 28, 0, 20, 6}, bigUDP),
		"an unknown kind":                  behind(virtioHeader{needsCsum, 0x7f, 28, 1000, 20, 6}, bigUDP),
		"fragmentation offload":            behind(virtioHeader{needsCsum, unix.VIRTIO_NET_HDR_GSO_UDP, 28, 1000, 20, 6}, bigUDP),
		"a tunnel":                         behind(virtioHeader{needsCsum, gsoTCP4 | 0x20, 40, 1000, 20, 16}, bigTCP),
		"UDP that is TCP":                  behind(virtioHeader{needsCsum, gsoUDP, 28, 1000, 20, 6}, bigTCP),
		"IPv6 that is IPv4":                behind(virtioHeader{needsCsum, gsoTCP6, 40, 1000, 20, 16}, bigTCP),
		"IPv4 that is IPv6":                behind(virtioHeader{needsCsum, gsoTCP4, 40, 1000, 40, 16}, bigTCP6),
		"a superpacket that is not IP":     behind(virtioHeader{0, gsoTCP4, 40, 1000, 0, 0}, make([]byte, 3000)),
		"a superpacket that is a fragment": behind(virtioHeader{0, gsoUDP, 28, 1000, 0, 0}, piece),
		"a superpacket that is cut off":    behind(virtioHeader{0, gsoUDP, 28, 1000, 0, 0}, bigUDP[:3000]),
		"a TCP header that is cut off":     behind(virtioHeader{0, gsoTCP4, 40, 1000, 0, 0}, shortTCP),
		"TCP options that are cut off":     behind(virtioHeader{0, gsoTCP4, 40, 1000, 0, 0}, longTCP),
	} {
		q, kernel := newFakeKernel(t, abilities{})
		kernel.send(t, message)
		kernel.send(t, behind(virtioHeader{}, testUDP))
		batch, err := q.TryRead()
		if err != nil || len(batch) != 1 || !bytes.Equal(batch[0].Data, testUDP) || q.reader.shared.unreadable.Load() != 1 {
			t.Errorf("%s: %d, %v, %d unreadable; want only the next packet", name, len(batch), err, q.reader.shared.unreadable.Load())
		}
	}
}

func FuzzReadSuperpacket(f *testing.F) {
	f.Add(behind(virtioHeader{needsCsum, gsoTCP4, 40, 1000, 20, 16}, bigTCP))
	f.Add(behind(virtioHeader{needsCsum, gsoUDP, 48, 1000, 40, 6}, bigUDP6))
	f.Add(behind(virtioHeader{0, gsoTCP6 | gsoECN, 48, 1, 0, 0}, bigTCP6))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, segments, ok := readSuperpacket(b, len(b))
		if !ok {
			return
		}
		if len(p.Data) != len(b)-virtioHeaderLen || p.ChecksumStart < 0 || p.Partial() && p.ChecksumStart+p.ChecksumOffset+2 > len(p.Data) {
			t.Fatalf("%d bytes: %+v", len(b), p)
		}
		if (p.SegmentSize > 0) != (segments > 1) || segments < 1 {
			t.Fatalf("%d segments of %d bytes", segments, p.SegmentSize)
		}
		if p.SegmentSize == 0 {
			return
		}
		var s packet.Segmenter
		if err := s.Reset(p.Data, p.SegmentSize, 0, 0); err == nil && s.Count() != segments {
			t.Fatalf("%d segments, counted %d", s.Count(), segments)
		}
	})
}

// pieces is pkt with everything behind the first header bytes in pieces of size bytes.
func pieces(p packet.Superpacket, header, size int) packet.Superpacket {
	rest := p.Data[header:]
	p.Data = p.Data[:header:header]
	for len(rest) > 0 {
		n := min(size, len(rest))
		p.Tail = append(p.Tail, rest[:n:n])
		rest = rest[n:]
	}
	return p
}

func TestPacketIsWrittenInOneCallWithItsHeader(t *testing.T) {
	cwr := packettest.TCP{IP: testIP, Flags: packettest.ACK | packettest.CWR, Payload: noise(1, 3001)}.Build()
	plain := packet.Superpacket{Data: testUDP}
	partial := func(pkt []byte, segment int) packet.Superpacket {
		return superpacket(bytes.Clone(pkt), segment, true, 0)
	}
	for name, c := range map[string]struct {
		p        packet.Superpacket
		h        virtioHeader
		segments uint64
		pieces   uint64
		copied   uint64
	}{
		"plain":         {plain, virtioHeader{}, 1, 1, 0},
		"in pieces":     {pieces(plain, 9, 9), virtioHeader{}, 1, 4, 0},
		"all in Tail":   {packet.Superpacket{Tail: [][]byte{nil, testUDP, {}}}, virtioHeader{}, 1, 1, 0},
		"partial":       {partial(testTCP, 0), virtioHeader{needsCsum, 0, 0, 0, 20, 16}, 1, 1, 0},
		"TCP over IPv4": {partial(bigTCP, 1000), virtioHeader{needsCsum, gsoTCP4, 40, 1000, 20, 16}, 4, 1, 0},
		"TCP with CWR":  {partial(cwr, 1000), virtioHeader{needsCsum, gsoTCP4 | gsoECN, 40, 1000, 20, 16}, 4, 1, 0},
		"TCP over IPv6": {pieces(partial(bigTCP6, 1000), 72, 1000), virtioHeader{needsCsum, gsoTCP6, 72, 1000, 40, 16}, 4, 5, 0},
		"UDP over IPv4": {pieces(partial(bigUDP, 1000), 28, 1000), virtioHeader{needsCsum, gsoUDP, 28, 1000, 20, 6}, 4, 5, 0},
		"UDP over IPv6": {pieces(partial(bigUDP6, 3000), 50, 5), virtioHeader{needsCsum, gsoUDP, 48, 3000, 40, 6}, 2, 601, 0},
		"one segment":   {partial(bigUDP6, 3001), virtioHeader{needsCsum, 0, 0, 0, 40, 6}, 1, 1, 0},
		"1023 pieces":   {pieces(partial(bigUDP, 2000), len(bigUDP)-1022, 1), virtioHeader{needsCsum, gsoUDP, 28, 2000, 20, 6}, 2, 1023, 0},
		"1024 pieces":   {pieces(partial(bigUDP, 2000), len(bigUDP)-1023, 1), virtioHeader{needsCsum, gsoUDP, 28, 2000, 20, 6}, 2, 1, 1},
	} {
		want := clone(&c.p).Data
		q, kernel := newFakeKernel(t, abilities{})
		if n, err := q.Write([]packet.Superpacket{c.p}); n != 1 || err != nil {
			t.Errorf("%s: wrote %d, %v", name, n, err)
		}
		headers, got := kernel.receive(t)
		if len(got) != 1 || !bytes.Equal(got[0], want) || headers[0] != c.h {
			t.Errorf("%s: %d packets, header %+v, want %+v", name, len(got), headers, c.h)
		}
		var counters WriteCounters
		q.writer.shared.addTo(&counters)
		if want := (WriteCounters{1, 1, c.segments, uint64(len(want)), c.pieces, 1, 0, 0, c.copied}); counters != want {
			t.Errorf("%s: counted %+v, want %+v", name, counters, want)
		}
		if !bytes.Equal(clone(&c.p).Data, want) {
			t.Errorf("%s: the packet was changed", name)
		}
	}
}

func TestSuperpacketThatIsNotToBeWrittenWholeIsCut(t *testing.T) {
	unchecked := packettest.UDP{IP: testIP, Unchecked: true, Payload: noise(1, 3001)}.Build()
	options := packettest.TCP{IP: testIP, Flags: packettest.ACK, Options: make([]byte, 40), Payload: noise(2, 3001)}.Build()
	for name, c := range map[string]struct {
		able abilities
		p    packet.Superpacket
	}{
		"TCP is off":               {abilities{joinTCP: errConfigured}, superpacket(bytes.Clone(bigTCP), 1000, true, 60)},
		"UDP is off":               {abilities{joinUDP: errConfigured}, superpacket(bytes.Clone(bigUDP6), 1000, true, 60)},
		"complete TCP":             {abilities{}, superpacket(bigTCP6, 1000, false, 0)},
		"complete UDP":             {abilities{}, superpacket(bigUDP, 1000, false, 77)},
		"UDP without a checksum":   {abilities{}, superpacket(unchecked, 1000, false, 0)},
		"transport header in Tail": {abilities{}, superpacket(bytes.Clone(bigTCP), 1000, true, 30)},
		"TCP options in Tail":      {abilities{}, superpacket(bytes.Clone(options), 1000, true, 70)},
		"network header in Tail":   {abilities{}, superpacket(bytes.Clone(bigUDP), 1000, true, 12)},
	} {
		want, err := segmentsOf(c.p)
		if err != nil || len(want) != 4 {
			t.Fatalf("%s: %d segments, %v", name, len(want), err)
		}
		q, kernel := newFakeKernel(t, c.able)
		if n, err := q.Write([]packet.Superpacket{c.p}); n != 1 || err != nil {
			t.Errorf("%s: wrote %d, %v", name, n, err)
		}
		headers, got := kernel.receive(t)
		for i, pkt := range got {
			if headers[i].gsoType != 0 {
				t.Errorf("%s: segment %d has header %+v", name, i, headers[i])
			}
			if headers[i].flags&needsCsum != 0 {
				_ = packet.CompleteChecksum(pkt, int(headers[i].csumStart), int(headers[i].csumOffset))
			}
		}
		if !equalPackets(got, want) {
			t.Errorf("%s: wrote\n%x, want\n%x", name, got, want)
		}
		var counters WriteCounters
		q.writer.shared.addTo(&counters)
		if counters.Cut != 1 || counters.Refused != 0 || counters.Calls != 4 || counters.Superpackets != 1 || counters.Segments != 4 {
			t.Errorf("%s: counted %+v", name, counters)
		}
	}
}

func equalPackets(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func TestPacketThatIsNoneDoesNotHinderTheOthersOfSuper(t *testing.T) {
	q, kernel := newFakeKernel(t, abilities{})
	n, err := q.Write([]packet.Superpacket{
		{},
		{Data: testUDP},
		{Data: make([]byte, 1<<16)},
		{Data: make([]byte, 100), SegmentSize: 10},
		{Data: testUDP, Tail: [][]byte{make([]byte, 1<<16)}, SegmentSize: 10},
		{Data: bigUDP, SegmentSize: 1000, ChecksumStart: 20, ChecksumOffset: 7},
		{Data: bigUDP, SegmentSize: 1000, ChecksumStart: -20, ChecksumOffset: 16},
		{Data: bigUDP, SegmentSize: 1000, ChecksumStart: 20, ChecksumOffset: -6},
		{Data: bigUDP, SegmentSize: 1000, ChecksumStart: len(bigUDP), ChecksumOffset: 16},
		{Data: testUDP, ChecksumStart: 1 << 16, ChecksumOffset: 6},
		{Data: testTCP},
	})
	if n != 2 || !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("wrote %d, %v; want 2, EMSGSIZE", n, err)
	}
	if _, got := kernel.receive(t); !equalPackets(got, [][]byte{testUDP, testTCP}) {
		t.Errorf("written: %x", got)
	}
}

func TestErrorsOfTheKernelArePassedOn(t *testing.T) {
	q, kernel := newFakeKernel(t, abilities{})
	if err := unix.Shutdown(kernel.fd, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if n, err := q.Write(packets(2)); n != 0 || !errors.Is(err, unix.EPIPE) {
		t.Errorf("wrote %d, %v; want EPIPE", n, err)
	}
	q.close()
	for range 2 {
		if _, err := q.TryRead(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("TryRead: %v", err)
		}
		if _, err := q.Write(packets(1)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
	}
}
