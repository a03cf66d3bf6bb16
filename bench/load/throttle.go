package load

import (
	"sync"
	"time"
)

// throttle spreads bytes over time. A nil throttle lets everything through.
type throttle struct {
	perSecond float64 // bytes

	mu   sync.Mutex // guards free
	free time.Time  // when what has been taken so far is sent
}

// newThrottle makes one of a rate in bit/s; 0: nil.
func newThrottle(rate uint64) *throttle {
	if rate == 0 {
		return nil
	}
	return &throttle{perSecond: float64(rate) / 8}
}

// take is how long to wait before these bytes may go.
func (t *throttle) take(bytes int, now time.Time) time.Duration {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free.Before(now) {
		t.free = now
	}
	wait := t.free.Sub(now)
	t.free = t.free.Add(time.Duration(float64(bytes) / t.perSecond * float64(time.Second)))
	return wait
}

// chunk is how many bytes to take at once, at most most: those of about 20 ms.
func (t *throttle) chunk(most int) int {
	if t == nil {
		return most
	}
	return min(most, max(1, int(t.perSecond/50)))
}
