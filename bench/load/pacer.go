package load

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	tick    = 100 * time.Microsecond // between two bursts, when more than one packet is due in that time
	lagging = 2 * time.Millisecond   // what was due longer ago than this is not made up for
)

// pacer says how many packets are due. The zero rate is without pace.
type pacer struct {
	rate float64       // packets/s
	base time.Duration // since the start: from when on due counts
	done int           // packets since base
}

// due is how many packets to send now. A sender that was not scheduled for long does not send all of what it has missed at
// once: that burst would be a rate of its own.
func (p *pacer) due(elapsed time.Duration) int {
	if elapsed-p.base > lagging && p.owed(elapsed) > max(2, p.rate*lagging.Seconds()) {
		p.base, p.done = elapsed-lagging, 0
	}
	return int(p.owed(elapsed))
}

// owed is the packets of the time since base that are not sent.
func (p *pacer) owed(elapsed time.Duration) float64 {
	return (elapsed-p.base).Seconds()*p.rate - float64(p.done)
}

// next is when, since the start, to send again.
func (p *pacer) next(elapsed time.Duration) time.Duration {
	one := p.base + time.Duration(float64(p.done+1)/p.rate*float64(time.Second))
	return max(one, elapsed+tick)
}

// sleepUntil waits without using the processor until a moment of the monotonic clock.
func sleepUntil(t unix.Timespec) {
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil) == unix.EINTR {
	}
}
