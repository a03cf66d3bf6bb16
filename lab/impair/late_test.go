package impair

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestFramesComeAtTheirTimeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []string
		var at []time.Duration
		l := newLate(func(frame []byte) {
			got, at = append(got, string(frame)), append(at, time.Since(start))
		})
		go l.run()
		for _, f := range []struct {
			frame string
			after time.Duration
		}{{"second", 5}, {"third", 5}, {"first", 1}, {"never", 100}} {
			l.add([]byte(f.frame), start.Add(f.after*time.Millisecond))
		}
		time.Sleep(50 * time.Millisecond)
		close(l.quit)
		synctest.Wait()
		if !slices.Equal(got, []string{"first", "second", "third"}) {
			t.Errorf("delivered %q", got)
		}
		if !slices.Equal(at, []time.Duration{time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond}) {
			t.Errorf("delivered at %v", at)
		}
	})
}
