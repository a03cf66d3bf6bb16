package encap

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/trust"
)

func relays(t testing.TB, numbers ...trust.Number) Relays {
	t.Helper()
	list, ok := RelaysOf(numbers...)
	if !ok {
		t.Fatalf("%d relays do not fit", len(numbers))
	}
	return list
}

// testFront is the head of a frame from 1 to 2, with that many relays behind the first.
func testFront(t testing.TB, lane uint8, further int) RelayHead {
	t.Helper()
	list := relays(t, []trust.Number{0xd1, 0xd2}[:further]...)
	return RelayHead{Lane: lane, HopLimit: uint8(further + 1), Source: 1, Destination: 2, Further: list}
}

// wrapped is a relay frame around an inner one.
func wrapped(t testing.TB, k *Keypair, h RelayHead, inner string) []byte {
	t.Helper()
	frame, err := k.SealRelay(make([]byte, 0, MaxRelayFront+len(inner)), &h)
	if err != nil {
		t.Fatal(err)
	}
	return append(frame, inner...)
}

func TestARelayFrameOpensOnceInEverySession(t *testing.T) {
	for _, c := range bothCiphers {
		for _, sealed := range []bool{true, false} {
			for further := range MaxRelays {
				a, b := keypairs(t, c, sealed, 2)
				h := testFront(t, 1, further)
				frame := wrapped(t, a, h, "inner")
				if parsed, err := ParseHeader(frame); err != nil || parsed != (Header{Type: Relay, Lane: 1, Index: a.RemoteIndex}) {
					t.Errorf("header %+v, %v", parsed, err)
				}
				if got, inner, err := b.OpenRelay(frame); err != nil || got != h || string(inner) != "inner" {
					t.Errorf("%s, %d further relays: %+v, %q, %v", c, further, got, inner, err)
				}
				if _, _, err := b.OpenRelay(frame); !errors.Is(err, ErrReplay) {
					t.Errorf("second time: %v", err)
				}
				if want := RelayOverhead(further + 1); len(frame)-len("inner") != want {
					t.Errorf("%d further relays take %d bytes, not %d", further, len(frame)-len("inner"), want)
				}
			}
		}
	}
	if RelayOverhead(0) != 0 || RelayOverhead(1) != 52 || RelayOverhead(MaxRelays) != MaxRelayFront {
		t.Errorf("overheads %d, %d, %d", RelayOverhead(0), RelayOverhead(1), RelayOverhead(MaxRelays))
	}
}

func TestAnyFlippedBitOfAFrontIsRefusedAndMovesNoWindow(t *testing.T) {
	for _, c := range bothCiphers {
		for further := range MaxRelays {
			a, b := keypairs(t, c, false, 255)
			frame := wrapped(t, a, testFront(t, 0, further), "an inner frame that is as long as the longest list of relays")
			front := RelayOverhead(further + 1)
			for bit := range 8 * front {
				if _, _, err := b.OpenRelay(flip(frame, bit)); err == nil {
					t.Errorf("%s: opens with bit %d flipped", c, bit)
				}
			}
			for n := range front {
				if _, _, err := b.OpenRelay(frame[:n]); err == nil {
					t.Errorf("%s: opens with %d bytes of %d", c, n, front)
				}
			}
			if _, _, err := b.OpenRelay(frame); err != nil {
				t.Errorf("%s: the true frame after the forged ones: %v", c, err)
			}
		}
	}
}

// A front that verifies may still be of a later version of the protocol.
func TestAFrontWithFlagsOrReservedBytesIsRefused(t *testing.T) {
	for _, c := range []struct {
		at   int
		want error
	}{{1, ErrFlags}, {3, ErrReserved}, {reservedAt, ErrReserved}, {reservedAt + 1, ErrReserved}} {
		a, b := keypairs(t, CipherAES256GCM, true, 1)
		frame := wrapped(t, a, testFront(t, 0, 0), "inner")
		frame[c.at] = 1
		head := frame[:relayHead]
		a.sealing(&a.relay[0]).aead.Seal(head, head[nonceAt:sealedHead], nil, head)
		if _, _, err := b.OpenRelay(frame); !errors.Is(err, c.want) {
			t.Errorf("byte %d: %v, want %v", c.at, err, c.want)
		}
	}
}

func TestRelayFramesHaveCountersAndWindowsOfTheirOwn(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 2)
	for lane := range uint8(2) {
		data, front := sealed(t, a, lane, "packet"), wrapped(t, a, testFront(t, lane, 0), "inner")
		if _, err := b.OpenData(data); err != nil {
			t.Errorf("data: %v", err)
		}
		if _, _, err := b.OpenRelay(front); err != nil {
			t.Errorf("relay frame with the same counter: %v", err)
		}
		if n := a.relay[lane].sent(); n != 1 {
			t.Errorf("lane %d has sent %d", lane, n)
		}
	}
}

func TestSealRelayRefusesWhatItCannotMake(t *testing.T) {
	a, _ := keypairs(t, CipherAES256GCM, true, 2)
	h := testFront(t, 2, 0)
	if _, err := a.SealRelay(make([]byte, 0, 100), &h); !errors.Is(err, ErrLane) {
		t.Errorf("a lane that there is not: %v", err)
	}
	h = testFront(t, 1, 2)
	if _, err := a.SealRelay(make([]byte, 0, MaxRelayFront-1), &h); !errors.Is(err, ErrBuffer) {
		t.Errorf("a short buffer: %v", err)
	}
	a.sealing(&a.relay[1]).sent.Store(counterLimit)
	if _, err := a.SealRelay(make([]byte, 0, 100), &h); !errors.Is(err, ErrExhausted) {
		t.Errorf("after the last counter: %v", err)
	}
	if _, ok := RelaysOf(1, 2, 3); ok {
		t.Error("three further relays fit")
	}
}

func TestFramesOfTheRelayKeysMakeThemOld(t *testing.T) {
	a, _ := keypairs(t, CipherAES256GCM, false, 2)
	a.rekeyCount = 3
	for range 3 {
		if a.worn() {
			t.Fatal("worn too soon")
		}
		wrapped(t, a, testFront(t, 1, 0), "")
	}
	if !a.worn() {
		t.Error("not worn after 3 frames")
	}
}

func TestRelaysAreTakenOneByOne(t *testing.T) {
	list := relays(t, 7, 8)
	if !list.Has(7) || !list.Has(8) || list.Has(0) || list.Repeats() || list.Len() != 2 {
		t.Errorf("list %v", list)
	}
	first, rest, ok := list.Next()
	if !ok || first != 7 || !slices.Equal(rest.Numbers(), []trust.Number{8}) || rest != relays(t, 8) {
		t.Errorf("%v, %v, %v", first, rest, ok)
	}
	if _, last, ok := rest.Next(); !ok || last != (Relays{}) {
		t.Errorf("the rest of one is %v", last)
	}
	if _, _, ok := (Relays{}).Next(); ok {
		t.Error("an empty list has a first")
	}
	if twice := relays(t, 7, 7); !twice.Repeats() {
		t.Error("a relay listed twice is not seen")
	}
}

func TestARelayMayWriteTheNextFrontOverTheOldOne(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, false, 1)
	frame := wrapped(t, a, testFront(t, 0, 1), "inner")
	h, inner, err := b.OpenRelay(frame)
	if err != nil {
		t.Fatal(err)
	}
	was := h.FrontLen()
	_, h.Further, _ = h.Further.Next()
	h.HopLimit--
	at := was - h.FrontLen()
	out, err := b.SealRelay(frame[at:at], &h)
	if err != nil || len(out) != h.FrontLen() {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
	got, again, err := a.OpenRelay(frame[at:])
	if err != nil || got != h || !bytes.Equal(again, inner) || string(again) != "inner" {
		t.Errorf("%+v, %q, %v", got, again, err)
	}
}

func TestRelayFramesAllocateNothing(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	h, buf := testFront(t, 0, 2), make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		frame, _ := a.SealRelay(buf, &h)
		if _, _, err := b.OpenRelay(frame); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAnEndpointThroughARelayIsOfNoUnderlay(t *testing.T) {
	e := RelayedEndpoint(0x0123456789abcdef)
	if e.Addr != netip.MustParseAddrPort("[100::123:4567:89ab:cdef]:0") {
		t.Errorf("endpoint %s", e.Addr)
	}
	if n, ok := e.Relayed(); !ok || n != 0x0123456789abcdef {
		t.Errorf("number %s, %v", n, ok)
	}
	for _, a := range []string{"192.0.2.1", "100::1:0:0:0:1", "2001:db8::1", "64::1", "::ffff:192.0.2.1"} {
		e := Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr(a), 9338)}
		if _, ok := e.Relayed(); ok || IsRelayed(e.Addr.Addr()) {
			t.Errorf("%s leads through relays", a)
		}
	}
	if IsRelayed(netip.Addr{}) {
		t.Error("no address leads through relays")
	}
}

func TestNobodyObservesAnEndpointThroughARelay(t *testing.T) {
	seen := RelayedEndpoint(7).Addr
	if p, err := ParseProbe(ProbeBody{ID: 1, Observed: seen}.Append(nil)); err == nil {
		t.Errorf("a probe says %+v", p)
	}
	hello := testHello()
	hello.Observed = seen
	raw, err := hello.encode()
	if err != nil {
		t.Fatal(err)
	}
	if h, err := parseHello(raw); err == nil {
		t.Errorf("a hello says %s", h.Observed)
	}
}

func BenchmarkRelayFront(b *testing.B) {
	for _, c := range bothCiphers {
		b.Run(c.String(), func(b *testing.B) {
			from, to := keypairs(b, c, true, 1)
			h, buf := testFront(b, 0, 0), make([]byte, 0, 100)
			for b.Loop() {
				frame, _ := from.SealRelay(buf, &h)
				if _, _, err := to.OpenRelay(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
