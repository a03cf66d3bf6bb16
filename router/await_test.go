package router

import (
	"testing"
	"time"
)

// patience is how long a test outside a bubble waits for what must come: it is never reached, but on a machine that stands
// still.
const patience = 30 * time.Second

// await waits until the condition holds, in real time.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v: not %s", patience, what)
		}
	}
}

// deadline is when patience ends.
func deadline(t testing.TB) <-chan time.Time {
	timer := time.NewTimer(patience)
	t.Cleanup(func() { timer.Stop() })
	return timer.C
}
