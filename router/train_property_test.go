package router

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// reading is a superpacket that is read, and what is to come of it.
type reading struct {
	packet.Superpacket
	to       int // node
	segments [][]byte
}

// sizes are payload lengths, few of them, so that many are equal.
var sizes = []int{0, 1, 20, 64, 100, 536, 1200, 1400}

// anyReading draws a packet or superpacket to node 2 or 3.
func anyReading(t *rapid.T) (r reading) {
	r.to = rapid.IntRange(2, 3).Draw(t, "to")
	ip := packettest.IP{Src: pod(1), Dst: pod(r.to), TOS: rapid.Uint8().Draw(t, "tos"), ID: rapid.Uint16().Draw(t, "id")}
	if rapid.Bool().Draw(t, "ipv6") {
		ip.Src, ip.Dst = pod6(1), pod6(r.to)
	}
	size := rapid.SampledFrom(sizes).Draw(t, "size")
	length := size
	if rapid.IntRange(0, 3).Draw(t, "super") == 0 {
		size = max(1, size)
		length = size*rapid.IntRange(0, 12).Draw(t, "segments") + rapid.IntRange(1, size).Draw(t, "rest")
		r.SegmentSize = size
	}
	payload := bytes.Repeat([]byte{rapid.Byte().Draw(t, "payload")}, length)
	r.build(t, ip, max(1, size), payload)
	return r
}

func (r *reading) build(t *rapid.T, ip packettest.IP, size int, payload []byte) {
	if rapid.Bool().Draw(t, "tcp") {
		p := packettest.TCP{IP: ip, SrcPort: 1, DstPort: 2, Seq: rapid.Uint32().Draw(t, "seq"), Flags: packettest.ACK, Payload: payload}
		r.Data, r.segments = p.Build(), p.Segments(size)
	} else {
		p := packettest.UDP{IP: ip, SrcPort: 1, DstPort: 2, Payload: payload}
		r.Data, r.segments = p.Build(), p.Segments(size)
	}
	if rapid.Bool().Draw(t, "partial") {
		r.ChecksumStart, r.ChecksumOffset = packettest.Partial(r.Data)
	}
}

// What a and its peers make of batches is looked at without the kernel: a's trains go to the peers as they are.
func TestWhatAPeerOpensIsWhatWasReadInOrder(t *testing.T) {
	yards(t, byHand{}, checkReadings)
}

func TestWhatAPeerOpensIsWhatWasReadInOrderWithPartialChecksums(t *testing.T) {
	yards(t, byHand{partial: true}, checkReadings)
}

func checkReadings(t *testing.T, y *yard) {
	rapid.Check(t, func(t *rapid.T) {
		var batch []packet.Superpacket
		want := map[int][][]byte{}
		for _, r := range rapid.SliceOfN(rapid.Custom(anyReading), 0, 64).Draw(t, "batch") {
			batch, want[r.to] = append(batch, r.Superpacket), append(want[r.to], r.segments...)
		}
		trains := y.trains(batch...)
		for _, train := range trains {
			checkTrain(t, y, train)
			checkGrouping(t, train)
		}
		y.deliver(trains)
		for _, s := range []*side{y.b, y.c} {
			got := y.opened(t, s)
			if len(got) != len(want[s.number]) {
				t.Fatalf("%s opened %d packets of %d", s.name, len(got), len(want[s.number]))
			}
			for i, p := range got {
				if !bytes.Equal(mangled(p), mangled(want[s.number][i])) {
					t.Fatalf("%s opened as number %d\n%x\nwant\n%x", s.name, i, p, want[s.number][i])
				}
			}
		}
	})
}

// mangled is a packet whose TCP checksum, if it is zero, is written as 0xffff: both are zero in ones' complement (RFC 1624, section
// 3), and who completes a partial checksum writes the latter.
func mangled(p []byte) []byte {
	at, protocol := 20, p[9]
	if p[0]>>4 == 6 {
		at, protocol = 40, p[6]
	}
	if protocol != unix.IPPROTO_TCP || p[at+16]|p[at+17] != 0 {
		return p
	}
	p = bytes.Clone(p)
	p[at+16], p[at+17] = 0xff, 0xff
	return p
}

// opened is the packets that came out at s, with complete checksums.
func (y *yard) opened(t *rapid.T, s *side) (packets [][]byte) {
	for _, p := range written(y.device(s).Queue(0)) {
		if p.Partial() {
			if err := packet.CompleteChecksum(p.Data, p.ChecksumStart, p.ChecksumOffset); err != nil {
				t.Fatal(err)
			}
		}
		packets = append(packets, p.Data)
	}
	if d := s.drops(); len(d) != 0 {
		t.Fatalf("%s dropped %v", s.name, d)
	}
	return packets
}

// checkGrouping checks that a train fits one send, and that it has no two peers' and no two codepoints' packets, where that
// can be seen: in clear.
func checkGrouping(t *rapid.T, train sentTrain) {
	if n := len(train.frames); n > maxTrainFrames || n*train.size > encap.MaxTrainBytes {
		t.Fatalf("a train of %d frames of %d bytes", n, train.size)
	}
	for _, f := range train.frames {
		if f[1]&0x80 == 0 {
			return
		}
		inner := f[8:]
		_, dst, _ := packet.Addrs(inner)
		if got := ecnOf(inner); got != train.ecn {
			t.Fatalf("a frame of codepoint %d in a train of %d", got, train.ecn)
		}
		if owner(dst) != train.to.Addr.Addr() {
			t.Fatalf("a packet to %v goes to %v", dst, train.to)
		}
	}
}

// owner is the underlay address of the node that has a pod.
func owner(pod netip.Addr) netip.Addr {
	if pod.Is4() {
		return addr4(int(pod.As4()[2]))
	}
	return addr4(int(pod.As16()[7]))
}
