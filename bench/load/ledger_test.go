package load

import (
	"bytes"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheLongestGapIsBetweenTwoReadsThatBroughtBytes(t *testing.T) {
	var l ledger
	start := time.Now()
	for _, ms := range []int{0, 3, 50, 49, 51} { // two readers: 49 is told late
		l.bytes(10, start.Add(time.Duration(ms)*time.Millisecond))
	}
	got := l.read()
	if got.LongestGap != 47*time.Millisecond || got.Elapsed != 51*time.Millisecond || got.Bytes != 50 {
		t.Errorf("%+v; want a gap of 47 ms, 51 ms in all, 50 bytes", got)
	}
}

func TestAnEmptyLedgerHasAnEmptyTally(t *testing.T) {
	var l ledger
	l.datagrams(nil, 100, time.Now())
	if got := l.read(); got != (Tally{}) {
		t.Errorf("%+v", got)
	}
}

func TestDuplicatesAndGapsAreCountedRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seqs := rapid.SliceOf(rapid.Uint64Range(0, 300)).Draw(t, "seqs")
		var l ledger
		seen := map[uint64]bool{}
		var highest uint64
		for _, seq := range seqs {
			l.datagrams([]uint64{seq}, 16, time.Now())
			seen[seq] = true
			highest = max(highest, seq+1)
		}
		got := l.read()
		if got.Unique() != uint64(len(seen)) || got.Datagrams != uint64(len(seqs)) || got.Highest != highest {
			t.Fatalf("%+v; want %d of which %d are unique, highest %d", got, len(seqs), len(seen), highest)
		}
	})
}

func TestTheWindowKnowsTheLastNumbersAndNothingOlder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		seen := map[uint64]bool{}
		var next uint64
		for range 50 {
			seq := rapid.Uint64Range(0, 3*windowSize).Draw(t, "seq")
			old := next > seq && next-seq > windowSize
			if got, want := w.see(seq), !old && !seen[seq]; got != want {
				t.Fatalf("see(%d) = %v below %d, want %v", seq, got, next, want)
			}
			seen[seq], next = true, max(next, seq+1)
		}
	})
}

func TestAFarJumpForgetsTheWindow(t *testing.T) {
	var w window
	for _, seq := range []uint64{0, 5, math.MaxUint64 - 1, math.MaxUint64 - windowSize} {
		if !w.see(seq) {
			t.Errorf("%d counts as seen", seq)
		}
	}
	for _, seq := range []uint64{5, math.MaxUint64 - 1, math.MaxUint64 - windowSize - 1} {
		if w.see(seq) {
			t.Errorf("%d counts as new", seq)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	token := Token{1, 2, 3, 4, 5, 6, 7, 8, 9}
	good := make([]byte, headLen)
	putHead(good, token, 77)
	f.Add(good)
	f.Add(good[:headLen-1])
	f.Add(bytes.Repeat([]byte{0xff}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, ok := parseHead(b, token)
		if !ok {
			return
		}
		again := make([]byte, headLen)
		putHead(again, token, seq)
		if !bytes.Equal(again, b[:headLen]) {
			t.Errorf("%x is read as %x", b, again)
		}
		var w window
		if !w.see(seq) || w.see(seq) {
			t.Errorf("%d is not seen once", seq)
		}
	})
}
