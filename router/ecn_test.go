package router

import (
	"testing"

	"github.com/weftnet/weft/packet"
)

func ipv4Header(tos byte) []byte {
	h := []byte{0x45, tos, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	sum := ^packet.Fold(packet.Sum(h, 0))
	h[10], h[11] = byte(sum>>8), byte(sum)
	return h
}

func ipv6Header(ecn byte) []byte {
	h := make([]byte, 40)
	h[0], h[1] = 0x60, ecn<<4
	return h
}

// RFC 6040, figure 4, column CE.
func TestOuterCongestionMarkGoesInwardOrDropsThePacket(t *testing.T) {
	for inner, want := range map[byte]struct {
		kept bool
		ecn  uint8
	}{0: {false, 0}, 1: {true, 3}, 2: {true, 3}, 3: {true, 3}} {
		for name, p := range map[string][]byte{"IPv4": ipv4Header(inner | 0x28), "IPv6": ipv6Header(inner)} {
			kept := carryCE(p)
			if kept != want.kept || kept && ecnOf(p) != want.ecn {
				t.Errorf("%s inner ECN %d: kept %v with ECN %d, want %v with %d", name, inner, kept, ecnOf(p), want.kept, want.ecn)
			}
			if name == "IPv4" && packet.Fold(packet.Sum(p, 0)) != 0xffff {
				t.Errorf("inner ECN %d: the IPv4 header checksum is wrong afterwards", inner)
			}
		}
	}
}
