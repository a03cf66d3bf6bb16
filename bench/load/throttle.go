package load

import (
	"sync"
	"time"
)

// Throttle spreads bytes over time, for everything that shares it. A nil Throttle lets everything through. All methods may be
// called from any goroutine.
type Throttle struct {
	perSecond float64 // bytes

	mu   sync.Mutex // guards free
	free time.Time  // when what has been taken so far is sent
}

// NewThrottle makes one of a rate in bit/s; 0: nil.
func NewThrottle(rate uint64) *Throttle {
	if rate == 0 {
		return nil
	}
	return &Throttle{perSecond: float64(rate) / 8}
}

// take is how long to wait before these bytes may go.
func (t *Throttle) take(bytes int, now time.Time) time.Duration {
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

// pass waits until these bytes may go. false: quit was closed first.
func (t *Throttle) pass(bytes int, quit <-chan struct{}) bool {
	wait := t.take(bytes, time.Now())
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-quit:
		return false
	}
}

// chunk is how many bytes to take at once, at most most: those of about 20 ms.
func (t *Throttle) chunk(most int) int {
	if t == nil {
		return most
	}
	return min(most, max(1, int(t.perSecond/50)))
}
