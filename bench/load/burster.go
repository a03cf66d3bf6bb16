package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// burster sends numbered datagrams in units. One goroutine uses it, on a thread of its own.
type burster interface {
	unit() int  // datagrams of a unit
	burst() int // units that one call of send takes at most
	// send sends up to count units and returns how many the kernel took. That it has no room for the next one is no error: it
	// was not sent.
	send(count int) (int, error)
}

// full reports that the kernel has no room at the moment: ENOBUFS of a full queue.
func full(err error) bool {
	return err == unix.ENOBUFS || err == unix.EAGAIN || err == unix.EINTR
}

// blast sends for a time at a rate in datagrams/s (0: as fast as the kernel takes it) and returns how many datagrams the kernel
// took and how long that was.
func blast(b burster, rate float64, d time.Duration, stop func() bool) (sent uint64, took time.Duration, err error) {
	start := time.Now()
	p := pacer{rate: rate / float64(b.unit())}
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		return 0, 0, err
	}
	for elapsed := time.Duration(0); elapsed < d && !stop(); elapsed = time.Since(start) {
		count := b.burst()
		if rate > 0 {
			count = min(p.due(elapsed), count)
		}
		n, err := b.send(count)
		sent += uint64(n * b.unit())
		if err != nil {
			return sent, time.Since(start), err
		}
		p.done += n
		if rate > 0 && p.due(elapsed) == 0 {
			at := min(p.next(elapsed), d)
			sleepUntil(unix.NsecToTimespec(clock.Nano() + at.Nanoseconds()))
		}
	}
	return sent, time.Since(start), nil
}
