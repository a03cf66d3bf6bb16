package router

import (
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
)

// A call is followed by the next after 0.25 s, and that by another after 0.5 s: they must not make the answers worthless that are on
// their way.
func TestAPathOfAnyLengthIsUpAfterOneRoundTrip(t *testing.T) {
	for _, delay := range []time.Duration{time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond, time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			bubble(t, simnet.Options{Delay: delay}, func(t *testing.T, w *world) {
				a, b := w.side(1), w.side(2)
				a.set(b)
				b.set(a)
				within(t, 2*delay+5*time.Millisecond, "up", func() bool { return a.peer(b).Up && b.peer(a).Up })
			})
		})
	}
}
