package router

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

// lan is an underlay with 1 ms between hosts.
var lan = simnet.Options{Delay: time.Millisecond}

func modes(t *testing.T, test func(t *testing.T, mode change)) {
	t.Run("sealed", func(t *testing.T) { test(t, func(*side) {}) })
	t.Run("clear", func(t *testing.T) { test(t, clear4) })
}

func TestTwoRoutersReachEachOtherInBothFamilies(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			a.inject(udp(pod(1), pod(2), "four"), udp(pod6(1), pod6(2), "six"))
			b.inject(udp(pod(2), pod(1), "back"))
			time.Sleep(10 * time.Millisecond)
			if got := b.payloads(); !slices.Equal(got, []string{"four", "six"}) {
				t.Errorf("b got %q", got)
			}
			if got := a.payloads(); !slices.Equal(got, []string{"back"}) {
				t.Errorf("a got %q", got)
			}
		})
	})
}

func TestPathsComeUpWithinTwoRoundTripsOfTheTable(t *testing.T) {
	bubble(t, simnet.Options{Delay: 20 * time.Millisecond}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		a.set(b)
		b.set(a)
		took := within(t, time.Second, "both up", func() bool { return allUp(a, b) })
		if took > 80*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// TestTheFirstPacketAfterAStartArrivesWithinTwoRoundTrips gives the packet to the device as soon as the node knows its peer. Curve work
// takes no virtual time; a real handshake's is under a millisecond (BenchmarkHandshake in encap).
func TestTheFirstPacketAfterAStartArrivesWithinTwoRoundTrips(t *testing.T) {
	const roundTrip = 40 * time.Millisecond
	for name, c := range map[string]struct {
		restart bool          // the other side still has keys of the run before
		answers bool          // the packet is from the side that is called
		after   time.Duration // the node knows its peer
	}{
		"of who calls": {false, false, 0}, "of who is called": {false, true, 0}, "after a restart": {true, false, 0},
		"to one that restarted, once that calls": {true, true, roundTrip/2 + time.Millisecond}, // one before is lost under the old keys
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, simnet.Options{Delay: roundTrip / 2}, func(t *testing.T, w *world) {
				a, b := w.side(1), w.side(2)
				b.set(a)
				if c.restart {
					w.join(a, b)
					a.crash()
					a.start()
				}
				from, to := a, b
				if c.answers {
					from, to = b, a
				}
				began := time.Now()
				a.set(b)
				time.Sleep(c.after)
				from.inject(udp(pod(from.number), pod(to.number), "first"))
				within(t, time.Second, "the first packet arrives", func() bool { return len(to.take()) > 0 })
				if took := time.Since(began); took > 2*roundTrip+5*time.Millisecond {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestThreeRoutersReachEachOther(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			sides := []*side{w.side(1, mode), w.side(2, mode), w.side(3, mode)}
			w.join(sides...)
			for _, from := range sides {
				for _, to := range sides {
					if from != to && !from.carries(to) {
						t.Errorf("%s does not reach %s", from.name, to.name)
					}
				}
			}
		})
	})
}

func TestAnUnderlayOfIPv6OnlyCarriesBothFamilies(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, at(addr6(1))), w.side(2, at(addr6(2)))
		w.join(a, b)
		a.inject(udp(pod(1), pod(2), "four"), udp(pod6(1), pod6(2), "six"))
		time.Sleep(10 * time.Millisecond)
		if got := b.payloads(); !slices.Equal(got, []string{"four", "six"}) {
			t.Errorf("b got %q", got)
		}
		if got := a.peer(b).Endpoint; got.Addr() != addr6(2) {
			t.Errorf("path to %v", got)
		}
	})
}

func TestTheLongestPrefixDecides(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.side(1), w.side(2), w.side(3)
		b.config.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}
		c.config.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}
		w.join(a, b, c)
		a.inject(udp(pod(1), netip.MustParseAddr("192.168.7.1"), "narrow"), udp(pod(1), netip.MustParseAddr("192.168.8.1"), "wide"))
		time.Sleep(10 * time.Millisecond)
		if got := c.payloads(); !slices.Equal(got, []string{"narrow"}) {
			t.Errorf("c got %q", got)
		}
		if got := b.payloads(); !slices.Equal(got, []string{"wide"}) {
			t.Errorf("b got %q", got)
		}
	})
}

// super is a superpacket of 10 full segments and a short one, with a partial checksum.
func super(tcp bool, from, to netip.Addr, tos uint8) (p packet.Superpacket, payload []byte) {
	payload = bytes.Repeat([]byte("0123456789abcdef"), (10*1200+48)/16)
	ip := packettest.IP{Src: from, Dst: to, TOS: tos}
	pkt := packettest.UDP{IP: ip, SrcPort: 1, DstPort: 2, Payload: payload}.Build()
	if tcp {
		pkt = packettest.TCP{IP: ip, SrcPort: 1, DstPort: 2, Seq: 1 << 31, Flags: packettest.ACK | packettest.PSH, Payload: payload}.Build()
	}
	p = packet.Superpacket{Data: pkt, SegmentSize: 1200}
	p.ChecksumStart, p.ChecksumOffset = packettest.Partial(pkt)
	return p, payload
}

func TestASuperpacketArrivesAsItsSegmentsWithRightChecksums(t *testing.T) {
	for _, tcp := range []bool{true, false} {
		for _, six := range []bool{false, true} {
			t.Run(fmt.Sprintf("tcp=%v six=%v", tcp, six), func(t *testing.T) {
				modes(t, func(t *testing.T, mode change) {
					bubble(t, lan, func(t *testing.T, w *world) {
						from, to := pod(1), pod(2)
						if six {
							from, to = pod6(1), pod6(2)
						}
						a, b := w.side(1, mode), w.side(2, mode)
						w.join(a, b)
						p, payload := super(tcp, from, to, 0)
						if err := a.dev.Inject(p); err != nil {
							t.Fatal(err)
						}
						time.Sleep(10 * time.Millisecond)
						checkSegments(t, b.take(), payload)
					})
				})
			})
		}
	}
}

func checkSegments(t *testing.T, segments [][]byte, payload []byte) {
	t.Helper()
	if len(segments) != 11 {
		t.Errorf("%d segments, want 11", len(segments))
	}
	var joined []byte
	for i, s := range segments {
		if err := packettest.Verify(s); err != nil {
			t.Errorf("segment %d: %v", i, err)
		}
		joined = append(joined, packettest.Payload(s)...)
	}
	if !bytes.Equal(joined, payload) {
		t.Errorf("payload of %d bytes differs from the %d sent", len(joined), len(payload))
	}
}

func TestAPlainPacketWithAPartialChecksumArrivesComplete(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		for _, from := range []netip.Addr{pod(1), pod6(1)} {
			to := pod(2)
			if from.Is6() {
				to = pod6(2)
			}
			pkt := udp(from, to, "partial")
			p := packet.Superpacket{Data: pkt}
			p.ChecksumStart, p.ChecksumOffset = packettest.Partial(pkt)
			if err := a.dev.Inject(p); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Millisecond)
		got := b.take()
		if len(got) != 2 {
			t.Fatalf("%d packets", len(got))
		}
		for _, p := range got {
			if err := packettest.Verify(p); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestASuperpacketOfTheTiniestSegmentsDoesNotHurt(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			for _, size := range []int{1, 8, 40, 48, 536} {
				payload := bytes.Repeat([]byte{'x'}, 60000)
				pkt := packettest.TCP{IP: packettest.IP{Src: pod(1), Dst: pod(2)}, SrcPort: 1, DstPort: 2, Payload: payload}.Build()
				if err := a.dev.Inject(packet.Superpacket{Data: pkt, SegmentSize: size}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
				b.take()
			}
			if !a.carries(b) {
				t.Error("nothing goes through any more")
			}
		})
	})
}

func TestCountersSayWhatWasDeliveredAndHowMuch(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		p, _ := super(true, pod(1), pod(2), 0)
		if err := a.dev.Inject(p); err != nil {
			t.Fatal(err)
		}
		a.inject(udp(pod(1), pod(2), "one more"))
		time.Sleep(10 * time.Millisecond)
		bytes := uint64(0)
		for _, p := range b.take() {
			bytes += uint64(len(p))
		}
		out, in := a.router.Counters().Out, b.router.Counters().In
		if out.Packets != 12 || in.Packets != 12 || out.Bytes != bytes || in.Bytes != bytes {
			t.Errorf("out %+v, in %+v, want 12 packets of %d bytes", out, in, bytes)
		}
		tx, rx := a.peer(b).Tx, b.peer(a).Rx
		if tx.Packets != 12 || rx.Packets != 12 || tx.Bytes != bytes || rx.Bytes != bytes {
			t.Errorf("tx %+v, rx %+v, want 12 packets of %d bytes", tx, rx, bytes)
		}
	})
}

func TestWhatIsRefusedIsNotCountedAsDelivered(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		a.inject(udp(pod(1), pod(2), string(make([]byte, 1500)))) // does not fit the underlay
		b.dev.Close()
		a.inject(udp(pod(1), pod(2), "no device"))
		time.Sleep(10 * time.Millisecond)
		if n := a.router.Counters().Out.Packets; n != 1 {
			t.Errorf("out %d packets, want the second one only", n)
		}
		if n := b.router.Counters().In.Packets; n != 0 {
			t.Errorf("in %d packets, want none", n)
		}
	})
}

func TestCongestionMarksTravelFromTheOuterHeaderToTheInnerOne(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			held := a.tap.hold(encap.Data)
			for _, ip := range []packettest.IP{{Src: pod(1), Dst: pod(2), TOS: 2}, {Src: pod6(1), Dst: pod6(2), TOS: 1}} {
				a.inject(packettest.UDP{IP: ip, Payload: []byte("ect")}.Build())
			}
			time.Sleep(10 * time.Millisecond)
			a.sendRaw(b, 3, held()...)
			time.Sleep(10 * time.Millisecond)
			got := b.take()
			if len(got) != 2 || ecnOf(got[0]) != 3 || ecnOf(got[1]) != 3 {
				t.Fatalf("%d packets, or not marked: %x", len(got), got)
			}
			for _, p := range got {
				if err := packettest.Verify(p); err != nil {
					t.Error(err)
				}
			}
		})
	})
}

func TestGossipTravelsInsideTheSessionAndWithoutOne(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		if err := a.router.SendGossip(b.id(), b.config.Endpoints, []byte("hearsay")); err != nil {
			t.Fatal(err)
		}
		w.join(a, b)
		a.tap.record()
		if err := a.router.SendGossip(b.id(), nil, []byte("inside")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		want := []gossiped{{a.id(), a.boot, "hearsay"}, {a.id(), a.boot, "inside"}}
		if got := b.heard(); !slices.Equal(got, want) {
			t.Errorf("b heard %v, want %v", got, want)
		}
		for _, f := range a.tap.frames() {
			if encap.Type(f[0]&15) != encap.Control || bytes.Contains(f, []byte("inside")) {
				t.Errorf("frame %x is not sealed control", f)
			}
		}
	})
}

func TestGossipTooLongForOneFrameIsRefused(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		if err := a.router.SendGossip(b.id(), nil, make([]byte, MaxGossip+1)); err == nil {
			t.Error("accepted")
		}
		for _, up := range []bool{true, false} {
			if !up {
				a.set()
			}
			if err := a.router.SendGossip(b.id(), b.config.Endpoints, make([]byte, MaxGossip)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if got := b.heard(); len(got) != 2 || len(got[0].packet) != MaxGossip || len(got[1].packet) != MaxGossip {
			t.Errorf("b heard %d packets", len(got))
		}
	})
}
