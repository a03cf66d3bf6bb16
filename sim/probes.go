package sim

import "time"

// probeLog remembers when the latest probes were sent, as the router does.
type probeLog struct {
	last    uint64
	sent    [16]time.Time
	rekeyed time.Time
}

func (l *probeLog) next(now time.Time) uint64 {
	l.last++
	l.sent[l.last%uint64(len(l.sent))] = now
	return l.last
}

func (l *probeLog) roundTrip(id uint64, now time.Time) (time.Duration, bool) {
	if id == 0 || id > l.last || l.last-id >= uint64(len(l.sent)) {
		return 0, false
	}
	return now.Sub(l.sent[id%uint64(len(l.sent))]), true
}
