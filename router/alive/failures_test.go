package alive

import (
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func TestARouteThatFailsAgainIsLeftAloneForTwiceAsLong(t *testing.T) {
	route, other := []trust.Fingerprint{{1}}, []trust.Fingerprint{{1}, {2}}
	var f Failures
	now := epoch
	for _, want := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
		f.Add(route, now)
		if f.Spare(route) || !f.Spare(other) || f.Spare(nil) {
			t.Fatalf("spare: %v, another one: %v, none: %v", f.Spare(route), f.Spare(other), f.Spare(nil))
		}
		if got := f.Next(time.Time{}).Sub(now); got != want*time.Second {
			t.Errorf("left alone for %v, want %v", got, want*time.Second)
		}
		now = f.Next(time.Time{})
		f.Expire(now.Add(-1))
		if f.Spare(route) {
			t.Fatal("tried again too early")
		}
		f.Expire(now)
		if !f.Spare(route) || !f.Next(time.Time{}).IsZero() {
			t.Fatal("never tried again")
		}
	}
	f.Expire(now.Add(failedKept))
	if len(f) != 0 {
		t.Errorf("%d failures are remembered for ever", len(f))
	}
}
