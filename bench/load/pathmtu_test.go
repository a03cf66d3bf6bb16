package load

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPathMTUIsTheLargestThatComesBack(t *testing.T) {
	for _, limit := range []int{1500, 1280} {
		far := relayed{Far: testServer(t), forward: func(b []byte, out func([]byte)) {
			if len(b)+28 <= limit {
				out(b)
			}
		}}
		if got, err := PathMTU(soon(t), Here{}, far, 1500); err != nil || got != limit {
			t.Errorf("PathMTU = %d, %v; want %d", got, err, limit)
		}
	}
}

func TestPathMTUOfTheWayBackCounts(t *testing.T) {
	far := relayed{Far: testServer(t), forward: pass, back: func(b []byte, out func([]byte)) {
		if len(b)+28 <= 1400 {
			out(b)
		}
	}}
	if got, err := PathMTU(soon(t), Here{}, far, 1500); err != nil || got != 1400 {
		t.Errorf("PathMTU = %d, %v; want 1400", got, err)
	}
}

func TestAPathThatCarriesNoDatagramHasNoMTU(t *testing.T) {
	far := relayed{Far: testServer(t), forward: func([]byte, func([]byte)) {}}
	if _, err := PathMTU(soon(t), Here{}, far, 1500); !errors.Is(err, ErrUnreachable) {
		t.Errorf("error = %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := PathMTU(ctx, Here{}, far, 1500); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
	if _, err := PathMTU(soon(t), Here{}, far, 43); err == nil {
		t.Error("no error for a size below the smallest datagram")
	}
}

func TestLargestFindsEveryBorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.IntRange(1, 100).Draw(t, "low")
		high := low + rapid.IntRange(0, 10_000).Draw(t, "more")
		border := rapid.IntRange(low, high).Draw(t, "border")
		tries := 0
		got, err := largest(low, high, func(size int) (bool, error) { tries++; return size <= border, nil })
		if err != nil || got != border || tries > 16 {
			t.Fatalf("largest = %d after %d tries, %v; want %d", got, tries, err, border)
		}
	})
}
