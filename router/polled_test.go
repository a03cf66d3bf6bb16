package router

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
)

// loops runs the test sealed and in clear, over both families.
func loops(t *testing.T, test func(t *testing.T, o loopOptions)) {
	for _, at := range []string{"127.0.0.1", "::1"} {
		for mode, clear := range map[string]bool{"sealed": false, "clear": true} {
			t.Run(at+", "+mode, func(t *testing.T) { test(t, loopOptions{at: at, clear: clear}) })
		}
	}
}

func TestPolledLanesCarryPacketsBothWays(t *testing.T) {
	loops(t, func(t *testing.T, o loopOptions) {
		a, b := loopback(t, 1, o), loopback(t, 2, o)
		meet(t, a, b)
		for i := range 20 {
			a.put(0, packet.Superpacket{Data: udp(pod(1), pod(2), fmt.Sprint(i))}, packet.Superpacket{Data: udp(pod6(1), pod6(2), fmt.Sprint(i))})
			b.put(0, packet.Superpacket{Data: udp(pod(2), pod(1), fmt.Sprint(i))})
			for _, p := range append(b.get(0, 2), a.get(0, 1)...) {
				if got := string(packettest.Payload(p.Data)); got != fmt.Sprint(i) || packettest.Verify(p.Data) != nil {
					t.Errorf("came %q (%v), want %d", got, packettest.Verify(p.Data), i)
				}
			}
		}
		lossless(t, a, b)
		if !a.router.Lanes()[0].Polled || !b.router.Lanes()[0].Polled {
			t.Error("the lanes are not polled")
		}
	})
}

// joined reports whether the kernel gives trains in one piece, which joining lives from.
func (s *loopSide) joined() bool {
	return slices.ContainsFunc(s.wire.Features(), func(f encap.Feature) bool { return f.Name == "gro" && f.State == encap.FeatureOn })
}

func TestASuperpacketStaysOneToADeviceThatTakesIt(t *testing.T) {
	loops(t, func(t *testing.T, o loopOptions) {
		for _, o.partial = range []bool{false, true} {
			a := loopback(t, 1, o)
			o.joins = joinsAll
			b := loopback(t, 2, o)
			if !b.joined() {
				t.Skip("this kernel has no UDP GRO")
			}
			meet(t, a, b)
			for _, p := range superpackets() {
				want := packet.Superpacket{
					Data: bytes.Clone(p.Data), SegmentSize: p.SegmentSize, ChecksumStart: p.ChecksumStart, ChecksumOffset: p.ChecksumOffset,
				}
				a.put(0, p)
				got := b.get(0, 1)[0]
				if !bytes.Equal(got.Data, want.Data) || got.SegmentSize != want.SegmentSize ||
					got.ChecksumStart != want.ChecksumStart || got.ChecksumOffset != want.ChecksumOffset {
					t.Errorf("partial %v: %d bytes came, by %d, want %d by %d", o.partial, got.Len(), got.SegmentSize, want.Len(), want.SegmentSize)
				}
			}
			lossless(t, a, b)
		}
	})
}

// superpackets are of TCP and UDP, over both families.
func superpackets() (list []packet.Superpacket) {
	for _, pods := range [][2]netip.Addr{{pod(1), pod(2)}, {pod6(1), pod6(2)}} {
		for _, tcp := range []bool{true, false} {
			p, _ := super(tcp, pods[0], pods[1], 0)
			list = append(list, p)
		}
	}
	return list
}

func TestASuperpacketComesAsSegmentsToADeviceThatDoesNotTakeIt(t *testing.T) {
	loops(t, func(t *testing.T, o loopOptions) {
		a, b := loopback(t, 1, o), loopback(t, 2, o)
		meet(t, a, b)
		for i, p := range superpackets() {
			_, payload := super(i%2 == 0, pod(1), pod(2), 0)
			a.put(0, p)
			var segments [][]byte
			for _, s := range b.get(0, 11) {
				segments = append(segments, s.Data)
			}
			checkSegments(t, segments, payload)
		}
		lossless(t, a, b)
	})
}

func TestOnlyWhatTheDeviceTakesJoinedIsJoined(t *testing.T) {
	o := loopOptions{}
	a := loopback(t, 1, o)
	o.joins = tun.Joins{UDP: true}
	b := loopback(t, 2, o)
	if !b.joined() {
		t.Skip("this kernel has no UDP GRO")
	}
	meet(t, a, b)
	for _, p := range superpackets() {
		tcp := p.Data[9] == packet.ProtoTCP && p.Data[0]>>4 == 4 || p.Data[6] == packet.ProtoTCP && p.Data[0]>>4 == 6
		a.put(0, p)
		want := 1
		if tcp {
			want = 11
		}
		for _, got := range b.get(0, want) {
			if whole := got.SegmentSize != 0; whole == tcp {
				t.Errorf("TCP %v came as one: %v", tcp, whole)
			}
		}
	}
}

// settled waits until no lane has waited or looked for a while, and returns how often each has.
func settled(t *testing.T, sides ...*loopSide) (list [][2]uint64) {
	t.Helper()
	const silence = 50 * time.Millisecond
	since := time.Now()
	await(t, "silent", func() bool {
		if now := turns(sides); !slices.Equal(now, list) {
			list, since = now, time.Now()
		}
		return time.Since(since) > silence
	})
	return list
}

// turns is how often each lane has waited and looked in vain.
func turns(sides []*loopSide) (list [][2]uint64) {
	for _, s := range sides {
		for _, l := range s.router.Lanes() {
			list = append(list, [2]uint64{l.Waits, l.Spins})
		}
	}
	return list
}

// Control wakes lanes too, for what it measures, seconds apart: so of a few packets one at least wakes nobody else's lane. A lane that wakes by
// itself is never silent.
func TestALaneThatWaitsDoesNothingUntilSomethingComes(t *testing.T) {
	for _, spin := range []int{0, 50} {
		for _, lanes := range []int{1, 8} {
			t.Run(fmt.Sprintf("spin %d, lanes %d", spin, lanes), func(t *testing.T) {
				a, b := loopback(t, 1, loopOptions{spin: spin, lanes: lanes}), loopback(t, 2, loopOptions{spin: spin, lanes: lanes})
				meet(t, a, b)
				var waited []int
				for range 5 {
					if waited = waitedAgain(t, a, b, lanes, spin); slices.Equal(waited, []int{lanes - 1, 2*lanes - 1}) {
						return
					}
				}
				t.Errorf("lanes %v waited again, want the last one of each side", waited)
			})
		}
	}
}

// waitedAgain sends a packet in the last lane, and returns which lanes of both sides have waited again by it. None has looked for long.
func waitedAgain(t *testing.T, a, b *loopSide, lanes, spin int) (list []int) {
	t.Helper()
	before := settled(t, a, b)
	a.reaches(b, lanes-1)
	for i, after := range settled(t, a, b) {
		if after[0] > before[i][0] {
			list = append(list, i)
		}
		if looks := after[1] - before[i][1]; spin == 0 && looks != 0 || looks > 1000 {
			t.Errorf("lane %d looked %d times", i, looks)
		}
	}
	return list
}

func TestAStopWakesLanesThatWait(t *testing.T) {
	for _, lanes := range []int{1, 8} {
		t.Run(fmt.Sprint(lanes, " lanes"), func(t *testing.T) {
			a, b := loopback(t, 1, loopOptions{lanes: lanes}), loopback(t, 2, loopOptions{lanes: lanes})
			meet(t, a, b)
			for _, l := range settled(t, a, b) {
				if l[0] == 0 {
					t.Error("a lane has never waited")
				}
			}
			a.halt() // fails if it takes too long
			b.halt()
		})
	}
}

func TestAStopEndsARouterThatHasHardlyBegun(t *testing.T) {
	for range 20 {
		loopback(t, 1, loopOptions{lanes: 8}).halt()
	}
}

func TestAStopEndsARouterUnderTraffic(t *testing.T) {
	for _, lanes := range []int{1, 8} {
		a, b := loopback(t, 1, loopOptions{lanes: lanes, spin: 50}), loopback(t, 2, loopOptions{lanes: lanes, spin: 50})
		meet(t, a, b)
		stop := make(chan struct{})
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_ = a.mem.Queue(i % lanes).Inject(packet.Superpacket{Data: udp(pod(1), pod(2), "")}) // full, or closed at last
					written(b.mem.Queue(i % lanes))
				}
			}
		}()
		await(t, "traffic", func() bool { return b.router.Counters().In.Packets > 1000 })
		b.halt()
		a.halt()
		close(stop)
		<-stopped
	}
}
