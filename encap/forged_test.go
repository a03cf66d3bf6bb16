package encap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestForgedFramesAndReplaysMoveNothing gives one end frames in any order, some of them again and again, and another end the same
// frames with forged ones among them: heads of any counter with bodies that nobody has sealed, and frames with a bit flipped. To both
// ends a frame is fresh exactly once and within the window, as a model has it that knows of no forged frame.
func TestForgedFramesAndReplaysMoveNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sender, honest := keypairs(t, CipherAES256GCM, true, 2)
		_, attacked := keypairs(t, CipherAES256GCM, true, 2)
		naive := [2]*naiveWindow{{seen: map[uint64]bool{}}, {seen: map[uint64]bool{}}}
		var frames [][]byte
		for range rapid.IntRange(1, 60).Draw(rt, "frames") {
			lane := rapid.Uint8Range(0, 1).Draw(rt, "lane")
			if skip := rapid.SampledFrom([]uint64{0, 0, 1, 63, 64, WindowSize - 1, WindowSize, 3 * WindowSize}).Draw(rt, "skip"); skip > 0 {
				sender.sealing(&sender.data[lane]).sent.Add(skip)
			}
			frames = append(frames, sealed(t, sender, lane, "packet"))
		}
		for range rapid.IntRange(1, 120).Draw(rt, "deliveries") {
			frame := rapid.SampledFrom(frames).Draw(rt, "frame")
			for range rapid.IntRange(0, 2).Draw(rt, "forgeries") {
				if _, err := attacked.OpenData(forge(rt, frame)); err == nil {
					rt.Fatal("a forged frame was taken")
				}
			}
			counter, model := binary.BigEndian.Uint64(frame[HeaderLen:]), naive[frame[2]]
			want := error(nil)
			if !model.fresh(counter) {
				want = ErrReplay
			} else {
				model.commit(counter)
			}
			for who, k := range map[string]*Keypair{"honest": honest, "attacked": attacked} {
				if _, err := k.OpenData(bytes.Clone(frame)); !errors.Is(err, want) {
					rt.Fatalf("counter %d at the %s end: %v, want %v", counter, who, err, want)
				}
			}
		}
	})
}

// forge makes a frame that the sender did not seal out of one that it did.
func forge(rt *rapid.T, frame []byte) []byte {
	f := slices.Clone(frame)
	if rapid.Bool().Draw(rt, "flip") {
		at := rapid.IntRange(HeaderLen, len(f)-1).Draw(rt, "byte") // counter, body or tag
		f[at] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		return f
	}
	counter := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 4*WindowSize), rapid.Uint64Range(counterLimit-2, counterLimit+2)).Draw(rt, "counter")
	if counter == binary.BigEndian.Uint64(f[HeaderLen:]) {
		counter++
	}
	binary.BigEndian.PutUint64(f[HeaderLen:], counter)
	return f
}

func TestAStoppedLaneStopsNoOther(t *testing.T) {
	a, b := keypairs(t, CipherChaCha20Poly1305, true, 3)
	a.sealing(&a.data[1]).sent.Store(counterLimit)
	if _, err := a.SealData(make([]byte, 0, 64), 1, 0, nil); !errors.Is(err, ErrExhausted) {
		t.Errorf("lane 1: %v", err)
	}
	for _, lane := range []uint8{0, 2} {
		if _, err := b.OpenData(sealed(t, a, lane, "packet")); err != nil {
			t.Errorf("lane %d: %v", lane, err)
		}
	}
	if a.rekeyCount = defaultRekeyCount; !a.worn() {
		t.Error("a stopped lane asks for no rekey")
	}
}

// A counter that has stopped stays stopped, however often it is tried.
func TestAStoppedCounterNeverComesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := keypairs(t, CipherAES256GCM, true, 1)
		left := rapid.Uint64Range(0, 5).Draw(rt, "left")
		a.sealing(&a.data[0]).sent.Store(counterLimit - left)
		tries := rapid.IntRange(1, 20).Draw(rt, "tries")
		var good uint64
		for range tries {
			frame, err := a.SealData(make([]byte, 0, 64), 0, 0, nil)
			if err != nil {
				continue
			}
			good++
			if _, err := b.OpenData(frame); err != nil {
				rt.Fatalf("a counter came twice: %v", err)
			}
		}
		if good != min(left, uint64(tries)) {
			rt.Fatalf("%d frames with %d counters left and %d tries", good, left, tries)
		}
	})
}
