package encap

import "testing"

// A TCP of the kernel makes superpackets of whole segments, in what its headers leave of gso_max_size.
func TestSuperpacketsOfGSOMaxSizeFitOneSend(t *testing.T) {
	for _, c := range []struct {
		name     string
		headers  int // of a segment in the overlay
		leastMTU int
	}{
		{"IPv4", 20 + 20, 576}, {"IPv4 with timestamps", 20 + 32, 576},
		{"IPv6", 40 + 20, 1280}, {"IPv6 with timestamps", 40 + 32, 1280},
	} {
		for mtu := c.leastMTU; mtu <= MaxTrainBytes-HeaderLen-CounterLen-TagLen; mtu++ {
			for _, reserved := range []int{192 + 1, tcpReserved} { // the smallest and the largest of all kernels
				segment := mtu - c.headers
				segments := (GSOMaxSize(mtu) - reserved) / segment
				bytes := segments * (mtu + HeaderLen + CounterLen + TagLen)
				if segments > sendFrames || bytes > MaxTrainBytes {
					t.Fatalf("%s, MTU %d: %d segments of %d bytes make %d bytes of frames, at most %d fit",
						c.name, mtu, segments, segment, bytes, MaxTrainBytes)
				}
			}
		}
	}
}

func TestGSOMaxSizeLeavesNoRoomForOneMoreFrame(t *testing.T) {
	for mtu, frames := range map[int]int{576: 63, 1280: 49, 1440: 44, 1464: 43, 8940: 7, 8964: 7, 16000: 4} {
		segment := mtu - tcpHeaders
		if got := (GSOMaxSize(mtu) - tcpReserved) / segment; got != frames {
			t.Errorf("MTU %d: %d segments, want %d", mtu, got, frames)
		}
	}
}

func TestGSOMaxSizeIsOneThatTheKernelTakes(t *testing.T) {
	for mtu := 68; mtu <= 65535; mtu++ {
		if size := GSOMaxSize(mtu); size < tcpReserved || size > gsoLegacy {
			t.Fatalf("MTU %d: %d, want %d to %d", mtu, size, tcpReserved, gsoLegacy)
		}
	}
}
