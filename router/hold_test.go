package router

import (
	"slices"
	"testing"
	"time"
)

func holdFor(d time.Duration) func(*Config) { return func(c *Config) { c.Hold = d } }

func TestPacketsWaitInTheDeviceForTheFirstPaths(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		b.set(a)
		a.stop()
		a.start(holdFor(time.Minute))
		a.inject(udp(pod(1), pod(2), "early"))
		time.Sleep(time.Second)
		a.set(b)
		within(t, 100*time.Millisecond, "the packet is there", func() bool { return slices.Contains(b.payloads(), "early") })
		if d := a.router.Counters().Dropped; d[PeerDown]+d[NoRoute]+d[ForeignSource] != 0 {
			t.Errorf("dropped %v", d)
		}
	})
}

func TestPacketsWaitNoLongerThanHoldSays(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, dead := w.side(1), w.side(2), w.side(3)
		b.set(a)
		dead.stop()
		a.stop()
		start := time.Now()
		a.start(holdFor(300 * time.Millisecond))
		a.set(b, dead)
		a.inject(udp(pod(1), pod(2), "first"))
		within(t, time.Second, "the packet is there", func() bool { return slices.Contains(b.payloads(), "first") })
		if took := time.Since(start); took < 300*time.Millisecond || took > 350*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		a.inject(udp(pod(1), pod(3), "lost"))
		within(t, 2*maxWait, "a drop", func() bool { return a.router.Counters().Dropped[QueueStale] == 1 })
	})
}

func TestAStopDuringTheHoldEndsIt(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a := w.side(1)
		a.stop()
		a.start(holdFor(time.Hour))
		a.stop() // goroutines that are left make the bubble fail
	})
}
