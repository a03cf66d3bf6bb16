package encap

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// frameFor is a frame of n bytes.
func frameFor(n int) []byte {
	frame := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(frame)
	return frame
}

// partsOf cuts a frame into parts of at most so many bytes.
func partsOf(t testing.TB, frame []byte, id uint32, most int) (list [][]byte) {
	t.Helper()
	p := Parts{ID: id, Lane: 1, Index: 7, Length: len(frame), Count: CutFrame(len(frame), most)}
	if p.Count == 0 {
		t.Fatalf("a frame of %d bytes is not cut for %d", len(frame), most)
	}
	for number := range p.Count {
		begin, end := p.Piece(number)
		part := make([]byte, PartHead, PartHead+end-begin)
		p.PutHead(part, number)
		list = append(list, append(part, frame[begin:end]...))
	}
	return list
}

// take gives a rejoiner a part.
func take(t testing.TB, r *Rejoiner, part []byte, now time.Duration) []byte {
	t.Helper()
	p, number, piece, err := ParsePart(part)
	if err != nil {
		t.Fatal(err)
	}
	frame, _ := r.Add(p, number, piece, 0, int64(now))
	return frame
}

func TestPartsAreOneFrameAgainInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		length := rapid.IntRange(HeaderLen, 65535).Draw(rt, "length")
		most := rapid.IntRange(PartHead+length/200+1, 9000).Draw(rt, "most")
		frame := frameFor(length)
		parts := rapid.Permutation(partsOf(t, frame, 5, most)).Draw(rt, "parts")
		var r Rejoiner
		for i, part := range parts {
			if len(part) > most {
				rt.Fatalf("a part has %d bytes, of at most %d", len(part), most)
			}
			got := take(t, &r, part, 0)
			if last := i == len(parts)-1; last != (got != nil) || last && !bytes.Equal(got, frame) {
				rt.Fatalf("part %d of %d gives %d bytes of %d", i+1, len(parts), len(got), length)
			}
			take(t, &r, parts[0], 0) // once more: it changes nothing
		}
	})
}

func TestWhatCannotBeCutIsNot(t *testing.T) {
	for _, c := range []struct{ length, most, want int }{
		{1500, PartHead, 0}, {1500, 0, 0}, {65536, 1500, 0}, {65535, PartHead + 256, 0}, {65535, PartHead + 257, 255}, {100, 1500, 2},
	} {
		if got := CutFrame(c.length, c.most); got != c.want {
			t.Errorf("a frame of %d bytes goes in %d parts of up to %d, want %d", c.length, got, c.most, c.want)
		}
	}
}

func TestHeadsOfPartsThatCannotBeAreRefused(t *testing.T) {
	good := partsOf(t, frameFor(1000), 1, 600)[1]
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	for name, part := range map[string][]byte{
		"number beyond the count": change(12, 2), "count of one": change(12, 0, 1), "count of none": change(12, 0, 0),
		"length of another frame": change(14, 0, 200), "shorter than a header": change(14, 0, 7),
		"piece too short": good[:len(good)-1], "piece too long": append(bytes.Clone(good), 0), "more parts than bytes": change(12, 1, 255, 0, 9),
	} {
		if _, _, _, err := ParsePart(part); !errors.Is(err, ErrPart) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, _, err := ParsePart(good[:PartHead-1]); !errors.Is(err, ErrShort) {
		t.Errorf("a part without all of its head: %v", err)
	}
	if _, _, _, err := ParsePart(change(0, Version<<4|byte(Data))); !errors.Is(err, ErrType) {
		t.Errorf("a data frame: %v", err)
	}
}

func TestAnUnfinishedFrameIsGivenUpAfterASecond(t *testing.T) {
	var r Rejoiner
	parts := partsOf(t, frameFor(1000), 1, 600)
	take(t, &r, parts[0], 0)
	if lost := r.Release(int64(rejoinLife) - 1); lost != 0 {
		t.Errorf("%d frames are given up too early", lost)
	}
	if lost := r.Release(int64(rejoinLife)); lost != 1 || r.bytes != 0 || len(r.waiting) != 0 {
		t.Errorf("%d frames are given up, %d bytes stay", lost, r.bytes)
	}
	if take(t, &r, parts[1], rejoinLife) != nil {
		t.Error("a frame is whole without its first part")
	}
}

func TestAPartThatContradictsTheOthersChangesNothing(t *testing.T) {
	var r Rejoiner
	frame := frameFor(1000)
	parts := partsOf(t, frame, 1, 600)
	take(t, &r, parts[0], 0)
	if take(t, &r, partsOf(t, frameFor(900), 1, 600)[1], 0) != nil {
		t.Error("parts of frames of two lengths make one")
	}
	if got := take(t, &r, parts[1], 0); !bytes.Equal(got, frame) {
		t.Error("the frame is not whole behind a part that contradicts it")
	}
}

func TestCongestionOfOnePartIsThatOfTheFrame(t *testing.T) {
	for _, c := range []struct{ first, second, want uint8 }{{1, 2, 1}, {2, ecnCE, ecnCE}, {ecnCE, 2, ecnCE}, {0, 0, 0}} {
		var r Rejoiner
		var got uint8
		for i, part := range partsOf(t, frameFor(1000), 1, 600) {
			p, number, piece, _ := ParsePart(part)
			_, got = r.Add(p, number, piece, []uint8{c.first, c.second}[i], 0)
		}
		if got != c.want {
			t.Errorf("parts with %d and %d are a frame with %d, want %d", c.first, c.second, got, c.want)
		}
	}
}

// Nobody makes a rejoiner remember more than its bounds, with parts of as many frames of as many sessions as he likes; and the
// newest frame of each session that is within its share becomes whole all the same.
func TestWhatARejoinerRemembersIsBounded(t *testing.T) {
	var r Rejoiner
	for id := range uint32(5000) {
		length := []int{HeaderLen, 1500, 65535}[id%3]
		p := Parts{ID: id, Index: id % 7, Length: length, Count: 2}
		r.Add(p, 0, make([]byte, p.PieceLen()), 0, 0)
		var memory int
		for _, f := range r.waiting {
			memory += len(f.frame)
		}
		if memory > rejoinTotal || r.bytes > rejoinTotal || len(r.waiting) > rejoinTotal/rejoinLeast || len(r.spare) > 2*maxSpare && id > 5000 {
			t.Fatalf("%d frames of %d bytes wait, and %d are spare", len(r.waiting), memory, len(r.spare))
		}
	}
	last := Parts{ID: 4999, Index: 4999 % 7, Length: 1500, Count: 2}
	if frame, _ := r.Add(last, 1, make([]byte, 750), 0, 0); len(frame) != 1500 {
		t.Error("the newest frame does not become whole")
	}
	if lost := r.Release(0); lost == 0 || len(r.spare) > maxSpare {
		t.Errorf("%d were given up, %d are spare", lost, len(r.spare))
	}
}

func TestRejoiningAllocatesNothingInASteadyState(t *testing.T) {
	var r Rejoiner
	parts := partsOf(t, frameFor(1500), 1, 1200)
	allocs := testing.AllocsPerRun(100, func() {
		for _, part := range parts {
			take(t, &r, part, 0)
		}
		r.Release(0)
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a frame", allocs)
	}
}

// FuzzRejoin takes parts as strangers may send them: two in a row, and the parts of a true frame behind them.
func FuzzRejoin(f *testing.F) {
	for _, part := range partsOf(f, frameFor(300), 9, 200) {
		f.Add(part, part)
	}
	f.Add(partsOf(f, frameFor(300), 1, 200)[0], partsOf(f, frameFor(299), 1, 200)[1])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var r Rejoiner
		for _, part := range [][]byte{a, b} {
			p, number, piece, err := ParsePart(part)
			if err != nil {
				continue
			}
			if frame, _ := r.Add(p, number, piece, 0, 0); frame != nil && len(frame) != p.Length {
				t.Errorf("a frame of %d bytes comes out as %d", p.Length, len(frame))
			}
		}
		frame := frameFor(300)
		parts := partsOf(t, frame, 1<<31, 200)
		take(t, &r, parts[0], 0)
		got := take(t, &r, parts[1], 0)
		if h, _, _, err := ParsePart(a); err == nil && h.ID == 1<<31 {
			return // it met the frame
		}
		if h, _, _, err := ParsePart(b); err == nil && h.ID == 1<<31 {
			return
		}
		if !bytes.Equal(got, frame) {
			t.Error("a true frame does not become whole behind the parts of strangers")
		}
	})
}

func FuzzParseSizeProbe(f *testing.F) {
	f.Add(SizeProbeBody{ID: 7}.AppendPadded(nil, 1400))
	f.Add(SizeProbeBody{ID: 7}.Append(nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := ParseSizeProbe(body)
		if err == nil && !bytes.Equal(b.Append(nil), body[:sizeProbeLen]) {
			t.Errorf("%x is read as %d", body, b.ID)
		}
	})
}

func TestAProbeOfASizeHasThatSize(t *testing.T) {
	a, b := keypairs(t, CipherAES256GCM, true, 1)
	for _, size := range []int{100, 1252, 1472, MaxSizeProbe} {
		frame, err := a.SealControl(nil, SizeProbe, SizeProbeBody{ID: 3}.AppendPadded(nil, size))
		if err != nil || len(frame) != size {
			t.Fatalf("a probe of %d bytes has %d: %v", size, len(frame), err)
		}
		kind, body, err := b.OpenControl(frame)
		got, parseErr := ParseSizeProbe(body)
		if err != nil || parseErr != nil || kind != SizeProbe || got.ID != 3 {
			t.Errorf("it is taken for kind %d, %+v: %v, %v", kind, got, err, parseErr)
		}
	}
}
