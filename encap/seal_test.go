package encap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// keypairs are two ends with fixed keys.
func keypairs(t testing.TB, c Cipher, sealed bool, lanes int) (a, b *Keypair) {
	t.Helper()
	r := roots{send: [32]byte{1}, receive: [32]byte{2}}
	agreed := Agreement{Cipher: c, Sealed: sealed, Lanes: uint8(lanes)}
	a = &Keypair{LocalIndex: 0xa0a1a2a3, RemoteIndex: 0xb0b1b2b3, agreement: agreed}
	b = &Keypair{LocalIndex: a.RemoteIndex, RemoteIndex: a.LocalIndex, agreement: agreed}
	if err := errors.Join(a.expand(r), b.expand(roots{send: r.receive, receive: r.send})); err != nil {
		t.Fatal(err)
	}
	return a, b
}

var bothCiphers = []Cipher{CipherAES256GCM, CipherChaCha20Poly1305}

func sealed(t testing.TB, k *Keypair, lane uint8, packet string) []byte {
	t.Helper()
	frame, err := k.SealData(make([]byte, 0, 256), lane, 0, []byte(packet))
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestFramesHaveTheirKnownForm(t *testing.T) {
	want := map[Cipher][2]string{
		CipherAES256GCM: {
			"14400100b0b1b2b30000000000000000" + "9904320c9625fd631f0062b131cb12e3d8b9856e",
			"15000000b0b1b2b30000000000000000" + "4c1b157588f5460a7a293b5e31d7dfd4e4fcfc63",
		},
		CipherChaCha20Poly1305: {
			"14400100b0b1b2b30000000000000000" + "ee4b208d3f923332b048293d904dbb93cad97b28",
			"15000000b0b1b2b30000000000000000" + "84a32ed9175d199e982ac3394ef513c4204ee9b1",
		},
	}
	for _, c := range bothCiphers {
		a, _ := keypairs(t, c, true, 2)
		data, err := a.SealData(make([]byte, 0, 64), 1, FlagPartial, []byte("weft"))
		if err != nil || hex.EncodeToString(data) != want[c][0] {
			t.Errorf("%s data: %x, %v", c, data, err)
		}
		control, err := a.SealControl(nil, Goodbye, []byte("bye"))
		if err != nil || hex.EncodeToString(control) != want[c][1] {
			t.Errorf("%s control: %x, %v", c, control, err)
		}
	}
}

func TestClearFrameHasItsKnownForm(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, false, 2)
	frame := sealed(t, a, 1, "weft")
	if got := hex.EncodeToString(frame); got != "14800100b0b1b2b3"+"77656674" {
		t.Errorf("frame %s", got)
	}
	var header [HeaderLen]byte
	a.PutClearHeader(header[:], 1, 0)
	if !bytes.Equal(header[:], frame[:HeaderLen]) {
		t.Errorf("header %x", header)
	}
	if packet, err := b.OpenData(frame); err != nil || string(packet) != "weft" {
		t.Errorf("%q, %v", packet, err)
	}
}

func TestSealedPacketOpensOnceInAnyLane(t *testing.T) {
	for _, c := range bothCiphers {
		rapid.Check(t, func(rt *rapid.T) {
			a, b := keypairs(t, c, true, 4)
			lane := uint8(rapid.IntRange(0, 3).Draw(rt, "lane"))
			packet := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, "packet")
			buf := make([]byte, 7, 7+len(packet)+32)
			body := packet
			if rapid.Bool().Draw(rt, "in place") {
				body = buf[7+16 : 7+16+len(packet)]
				copy(body, packet)
			}
			flags := rapid.SampledFrom([]uint8{0, FlagPartial}).Draw(rt, "flags")
			out, err := a.SealData(buf, lane, flags, body)
			if err != nil || len(out) != 7+len(packet)+32 {
				rt.Fatalf("%d bytes, %v", len(out), err)
			}
			frame := out[7:]
			got, err := b.OpenData(bytes.Clone(frame))
			if err != nil || !bytes.Equal(got, packet) {
				rt.Fatalf("%x, %v", got, err)
			}
			if _, err := b.OpenData(bytes.Clone(frame)); !errors.Is(err, ErrReplay) {
				rt.Fatalf("second time: %v", err)
			}
		})
	}
}

func TestABitFlippedAnywhereIsRefusedAndMovesNoWindow(t *testing.T) {
	for _, c := range bothCiphers {
		a, b := keypairs(t, c, true, 255)
		data := sealed(t, a, 0, "packet")
		control, err := a.SealControl(nil, Probe, []byte("body"))
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(data) {
			if _, err := b.OpenData(flip(data, bit)); err == nil {
				t.Errorf("%s: data opens with bit %d flipped", c, bit)
			}
		}
		for bit := range 8 * len(control) {
			if _, _, err := b.OpenControl(flip(control, bit)); err == nil {
				t.Errorf("%s: control opens with bit %d flipped", c, bit)
			}
		}
		if _, err := b.OpenData(data); err != nil {
			t.Errorf("%s: the true frame after the forged ones: %v", c, err)
		}
		if _, _, err := b.OpenControl(control); err != nil {
			t.Errorf("%s: the true control frame after the forged ones: %v", c, err)
		}
	}
}

func flip(frame []byte, bit int) []byte {
	f := bytes.Clone(frame)
	f[bit/8] ^= 1 << (bit % 8)
	return f
}

func TestTruncatedAndLengthenedFramesAreRefused(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	frame := sealed(t, a, 0, "packet")
	for n := range len(frame) {
		if _, err := b.OpenData(bytes.Clone(frame[:n])); err == nil {
			t.Errorf("opens with %d of %d bytes", n, len(frame))
		}
	}
	if _, err := b.OpenData(append(bytes.Clone(frame), 0)); !errors.Is(err, ErrAuth) {
		t.Errorf("lengthened: %v", err)
	}
}

func TestTypesDirectionsAndLanesHaveKeysOfTheirOwn(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 2)
	frame := sealed(t, a, 0, "packet")
	other := bytes.Clone(frame)
	other[2] = 1
	if _, err := b.OpenData(other); !errors.Is(err, ErrAuth) {
		t.Errorf("as of another lane: %v", err)
	}
	other = bytes.Clone(frame)
	other[0] = Version<<4 | byte(Control)
	if _, _, err := b.OpenControl(other); !errors.Is(err, ErrAuth) {
		t.Errorf("as control: %v", err)
	}
	if _, err := a.OpenData(bytes.Clone(frame)); !errors.Is(err, ErrAuth) {
		t.Errorf("sent back: %v", err)
	}
	if _, _, err := b.OpenControl(bytes.Clone(frame)); !errors.Is(err, ErrType) {
		t.Errorf("data as control: %v", err)
	}
}

func TestClearFrameInASealedSessionIsRefused(t *testing.T) {
	a, _ := keypairs(t, CipherAES256GCM, false, 1)
	_, b := keypairs(t, CipherAES256GCM, true, 1)
	if _, err := b.OpenData(sealed(t, a, 0, "packet")); !errors.Is(err, ErrClear) {
		t.Errorf("error %v", err)
	}
}

func TestSealedFrameInAClearSessionIsRefused(t *testing.T) {
	a, _ := keypairs(t, CipherAES256GCM, true, 1)
	_, b := keypairs(t, CipherAES256GCM, false, 1)
	if _, err := b.OpenData(sealed(t, a, 0, "packet")); !errors.Is(err, ErrAuth) {
		t.Errorf("error %v", err)
	}
}

func TestDataFrameWithAnUnknownFlagIsRefused(t *testing.T) {
	for _, seal := range []bool{true, false} {
		a, b := keypairs(t, CipherAES256GCM, seal, 1)
		for bit := range 6 {
			flag := uint8(1) << bit
			if _, err := a.SealData(make([]byte, 0, 64), 0, flag, []byte("packet")); !errors.Is(err, ErrFlags) {
				t.Errorf("sealing with flag %#x, sealed %v: %v", flag, seal, err)
			}
			if _, err := b.OpenData(withFlag(t, a, flag)); !errors.Is(err, ErrFlags) {
				t.Errorf("opening with flag %#x, sealed %v: %v", flag, seal, err)
			}
		}
	}
}

// withFlag is a data frame of a later version, which knows a flag that this one does not.
func withFlag(t *testing.T, k *Keypair, flag uint8) []byte {
	t.Helper()
	if !k.Sealed {
		return append(Header{Type: Data, Flags: FlagClear | flag, Index: k.RemoteIndex}.Append(nil), "packet"...)
	}
	h := Header{Type: Data, Flags: flag, Index: k.RemoteIndex}
	frame, err := k.sealFrame(&k.data[0], make([]byte, 0, 64), h, []byte("packet"))
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestPartialChecksumTravelsAsAFlagOfTheFrame(t *testing.T) {
	for _, seal := range []bool{true, false} {
		a, b := keypairs(t, CipherAES256GCM, seal, 1)
		for _, flags := range []uint8{0, FlagPartial} {
			frame, err := a.SealData(make([]byte, 0, 64), 0, flags, []byte("packet"))
			if err != nil {
				t.Fatal(err)
			}
			h, err := ParseHeader(frame)
			if err != nil || h.Partial() != (flags == FlagPartial) {
				t.Errorf("sealed %v, flags %#x: partial %v, %v", seal, flags, h.Partial(), err)
			}
			if packet, err := b.OpenData(frame); err != nil || string(packet) != "packet" {
				t.Errorf("sealed %v, flags %#x: %q, %v", seal, flags, packet, err)
			}
		}
	}
}

func TestFlagCannotBeChangedOnTheWayOfASealedFrame(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	for _, flag := range []uint8{FlagPartial, 1} {
		frame := sealed(t, a, 0, "packet")
		frame[1] ^= flag
		if _, err := b.OpenData(frame); !errors.Is(err, ErrAuth) {
			t.Errorf("flag %#x: %v", flag, err)
		}
	}
}

func TestCallersFlagCannotClaimAClearBody(t *testing.T) {
	a, _ := keypairs(t, CipherAES256GCM, true, 1)
	if _, err := a.SealData(make([]byte, 0, 64), 0, FlagClear, []byte("packet")); !errors.Is(err, ErrFlags) {
		t.Errorf("error %v", err)
	}
}

func TestClearHeaderTakesNoFlagButPartial(t *testing.T) {
	a, _ := keypairs(t, CipherAES256GCM, false, 1)
	var header [HeaderLen]byte
	a.PutClearHeader(header[:], 0, 0xff)
	if header[1] != FlagClear|FlagPartial {
		t.Errorf("flags %#x", header[1])
	}
}

func TestClearHeaderCannotBeMadeInASealedSession(t *testing.T) {
	a, _ := keypairs(t, CipherAES256GCM, true, 1)
	defer func() {
		if recover() == nil {
			t.Error("it was made")
		}
	}()
	a.PutClearHeader(make([]byte, HeaderLen), 0, 0)
}

func TestLaneThatTheSessionDoesNotHaveIsRefused(t *testing.T) {
	for _, seal := range []bool{true, false} {
		wide, _ := keypairs(t, CipherAES256GCM, seal, 3)
		a, b := keypairs(t, CipherAES256GCM, seal, 2)
		if _, err := a.SealData(make([]byte, 0, 64), 2, 0, nil); !errors.Is(err, ErrLane) {
			t.Errorf("seal: %v", err)
		}
		if _, err := b.OpenData(sealed(t, wide, 2, "packet")); !errors.Is(err, ErrLane) {
			t.Errorf("open: %v", err)
		}
	}
}

func TestBufferWithoutRoomIsRefused(t *testing.T) {
	for _, seal := range []bool{true, false} {
		a, _ := keypairs(t, CipherAES256GCM, seal, 1)
		need := 6 + HeaderLen
		if seal {
			need += CounterLen + TagLen
		}
		if _, err := a.SealData(make([]byte, 0, need-1), 0, 0, []byte("packet")); !errors.Is(err, ErrBuffer) {
			t.Errorf("sealed %v: %v", seal, err)
		}
		if _, err := a.SealData(make([]byte, 0, need), 0, 0, []byte("packet")); err != nil {
			t.Errorf("sealed %v: %v", seal, err)
		}
	}
}

func TestCounterStopsForGood(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	a.sealing(&a.data[0]).sent.Store(counterLimit - 1)
	a.sealing(&a.control).sent.Store(counterLimit)
	if _, err := b.OpenData(sealed(t, a, 0, "the last one")); err != nil {
		t.Error(err)
	}
	for range 3 {
		if _, err := a.SealData(make([]byte, 0, 64), 0, 0, nil); !errors.Is(err, ErrExhausted) {
			t.Errorf("data: %v", err)
		}
		if _, err := a.SealControl(nil, Probe, nil); !errors.Is(err, ErrExhausted) {
			t.Errorf("control: %v", err)
		}
	}
}

func TestCounterOverTheLimitIsRefused(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	frame := sealed(t, a, 0, "packet")
	for i := HeaderLen; i < sealedHead; i++ {
		frame[i] = 0xff
	}
	if _, err := b.OpenData(frame); !errors.Is(err, ErrReplay) {
		t.Errorf("error %v", err)
	}
}

func TestNoCounterIsUsedTwiceByManyGoroutines(t *testing.T) {
	a, b := keypairs(t, CipherChaCha20Poly1305, true, 1)
	const each = 500
	frames := make([][]byte, 4*each)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range each {
				frames[g*each+i], _ = a.SealData(make([]byte, 0, 64), 0, 0, []byte("packet"))
			}
		})
	}
	wg.Wait()
	for i, frame := range frames {
		if _, err := b.OpenData(frame); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
}

func TestControlGrowsItsBufferAndKeepsWhatIsInIt(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	body := bytes.Repeat([]byte("g"), 1100)
	out, err := a.SealControl([]byte("before"), Gossip, body)
	if err != nil || string(out[:6]) != "before" {
		t.Fatalf("%q, %v", out[:6], err)
	}
	kind, got, err := b.OpenControl(out[6:])
	if err != nil || kind != Gossip || !bytes.Equal(got, body) {
		t.Errorf("kind %d, %d bytes, %v", kind, len(got), err)
	}
}

func TestControlBodyMayStandInTheBuffer(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	buf := make([]byte, 0, 256)
	body := append(buf[:40], "probe body"...)[40:]
	frame, err := a.SealControl(buf, Probe, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := b.OpenControl(frame); err != nil || string(got) != "probe body" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSealAndOpenAllocateNothing(t *testing.T) {
	for _, c := range bothCiphers {
		for _, seal := range []bool{true, false} {
			a, b := keypairs(t, c, seal, 1)
			buf, packet := make([]byte, 0, 2048), make([]byte, 1400)
			allocs := testing.AllocsPerRun(100, func() {
				frame, err := a.SealData(buf, 0, 0, packet)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := b.OpenData(frame); err != nil {
					t.Fatal(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%s, sealed %v: %v allocations", c, seal, allocs)
			}
		}
	}
}

func TestControlInABufferAllocatesNothing(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	buf, body := make([]byte, 0, 256), make([]byte, 40)
	allocs := testing.AllocsPerRun(100, func() {
		frame, err := a.SealControl(buf, Probe, body)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.OpenControl(frame); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// naiveWindow remembers every counter.
type naiveWindow struct {
	seen    map[uint64]bool
	highest uint64
	any     bool
}

func (w *naiveWindow) fresh(c uint64) bool {
	return !w.seen[c] && (!w.any || c > w.highest || w.highest-c < WindowSize)
}

func (w *naiveWindow) commit(c uint64) {
	w.seen[c], w.highest, w.any = true, max(w.highest, c), true
}

func TestWindowIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, naive := &window{}, &naiveWindow{seen: map[uint64]bool{}}
		near := rapid.Custom(func(rt *rapid.T) uint64 {
			step := rapid.OneOf(
				rapid.Int64Range(-3, 3), rapid.Int64Range(-70, 70), rapid.Int64Range(-WindowSize-70, -WindowSize+70),
				rapid.Int64Range(WindowSize-70, WindowSize+70), rapid.Int64Range(-3*WindowSize, 3*WindowSize),
			).Draw(rt, "step")
			return uint64(max(0, int64(naive.highest)+step))
		})
		for range rapid.IntRange(1, 300).Draw(rt, "frames") {
			c := near.Draw(rt, "counter")
			if got, want := w.fresh(c), naive.fresh(c); got != want {
				rt.Fatalf("counter %d with %d highest: fresh %v, want %v", c, naive.highest, got, want)
			}
			if naive.fresh(c) && rapid.Bool().Draw(rt, "authentic") {
				w.commit(c)
				naive.commit(c)
			}
		}
	})
}

func TestTenThousandFramesReplayedInAnyOrderAreAllRefused(t *testing.T) {
	w := &window{}
	for c := range uint64(10000) {
		if !w.fresh(c) {
			t.Fatalf("counter %d is not fresh", c)
		}
		w.commit(c)
	}
	for c := range uint64(10000) {
		if w.fresh(c) {
			t.Fatalf("counter %d is fresh again", c)
		}
	}
}
