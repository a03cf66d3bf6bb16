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

// slowSum is RFC 1071 word by word.
func slowSum(b []byte, initial uint32) uint16 {
	total := uint64(initial)
	for i := 0; i < len(b); i += 2 {
		total += uint64(b[i]) << 8
		if i+1 < len(b) {
			total += uint64(b[i+1])
		}
	}
	for total > 0xffff {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}

// same compares ones' complement numbers: 0 and 0xffff are both zero.
func same(a, b uint16) bool { return a%0xffff == b%0xffff }

func TestSumIsTheSumOfTheWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xfe, 0xff}), 0, 200).Draw(t, "bytes")
		initial := rapid.Uint32().Draw(t, "initial")
		if got, want := packet.Fold(packet.Sum(b, initial)), slowSum(b, initial); !same(got, want) {
			t.Fatalf("%#04x, want %#04x", got, want)
		}
	})
}

func TestSumOfPartsIsTheSumOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes")
		at := rapid.IntRange(0, len(b)/2).Draw(t, "half of the cut") * 2
		parts := packet.Fold(packet.Sum(b[at:], packet.Sum(b[:at], 0)))
		if whole := packet.Fold(packet.Sum(b, 0)); !same(parts, whole) {
			t.Fatalf("%#04x in parts, %#04x in one", parts, whole)
		}
	})
}

func TestSumOfTheLongestPacketDoesNotWrap(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, 1<<16)
	for n := len(b) - 40; n <= len(b); n++ {
		if got, want := packet.Fold(packet.Sum(b[:n], 0xffffffff)), slowSum(b[:n], 0xffffffff); !same(got, want) {
			t.Fatalf("%d bytes: %#04x, want %#04x", n, got, want)
		}
	}
}

func TestCompletedChecksumVerifies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var complete []byte
		if rapid.Bool().Draw(t, "tcp") {
			complete = anyTCP(t, 1500).Build()
		} else {
			complete = packettest.UDP{IP: anyIP(t), Payload: payloadOf(t, 1500)}.Build()
		}
		pkt := bytes.Clone(complete)
		start, offset := packettest.Partial(pkt)
		if err := packet.CompleteChecksum(pkt, start, offset); err != nil {
			t.Fatal(err)
		}
		if err := packettest.Verify(pkt); err != nil {
			t.Fatal(err)
		}
		field := start + offset
		if !bytes.Equal(pkt[:field], complete[:field]) || !bytes.Equal(pkt[field+2:], complete[field+2:]) {
			t.Fatal("more than the checksum was changed")
		}
	})
}

func TestChecksumOfZeroIsWrittenAsAllOnes(t *testing.T) {
	for _, ip := range []packettest.IP{ip4, ip6} {
		udp := packettest.UDP{IP: ip, Payload: make([]byte, 2)}
		pkt := udp.Build()
		udp.Payload = binary.BigEndian.AppendUint16(nil, u16(pkt[packettest.Transport(pkt)+6:])) // now the checksum is 0
		pkt = udp.Build()
		start, offset := packettest.Partial(pkt)
		if err := packet.CompleteChecksum(pkt, start, offset); err != nil {
			t.Fatal(err)
		}
		if got := u16(pkt[start+offset:]); got != 0xffff {
			t.Errorf("completed: %#04x, want 0xffff", got)
		}
		for _, seg := range segments(t, udp.Build(), 100, 0, 0) {
			if got := u16(seg[start+offset:]); got != 0xffff {
				t.Errorf("segment: %#04x, want 0xffff", got)
			}
		}
	}
}

func TestChecksumFieldOutsideThePacketIsRefused(t *testing.T) {
	const huge = int(^uint(0) >> 1)
	for _, c := range [][2]int{{-1, 6}, {20, -1}, {-8, 10}, {20, 7}, {27, 0}, {28, 0}, {huge, huge}, {huge, 2}, {2, huge}} {
		pkt := make([]byte, 28)
		if err := packet.CompleteChecksum(pkt, c[0], c[1]); !errors.Is(err, packet.ErrChecksum) {
			t.Errorf("start %d, offset %d: %v, want ErrChecksum", c[0], c[1], err)
		}
		if !bytes.Equal(pkt, make([]byte, 28)) {
			t.Errorf("start %d, offset %d: the packet was changed", c[0], c[1])
		}
	}
	if err := packet.CompleteChecksum(make([]byte, 28), 20, 6); err != nil {
		t.Errorf("the last place: %v", err)
	}
}

func TestPseudoSumIsThatOfTheRFC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip := anyIP(t)
		proto, length := rapid.Uint8().Draw(t, "proto"), rapid.IntRange(0, 65535).Draw(t, "length")
		pseudo := append(ip.Src.AsSlice(), ip.Dst.AsSlice()...)
		pseudo = append(binary.BigEndian.AppendUint32(pseudo, uint32(length)), 0, 0, 0, proto)
		if got, want := packet.Fold(packet.PseudoSum(ip.Src, ip.Dst, proto, length)), slowSum(pseudo, 0); !same(got, want) {
			t.Fatalf("%#04x, want %#04x", got, want)
		}
	})
}
