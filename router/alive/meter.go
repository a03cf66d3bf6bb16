package alive

import (
	"math"
	"time"
)

// Meter estimates how good a way to a peer is, by its probes: the share that gets lost, there or back, as a moving average, and the round trip.
// It is deterministic: time comes in. The zero value has seen nothing.
//
// The round trip is the least of the last few. Longer ones have waited somewhere, most of all at hosts that have no time, which says nothing of
// the way; and after an hour of such waiting one probe shows that it is over.
//
// A link that carries traffic in both directions is hardly probed by its watch, and an idle one every 15 s; so the meter asks for probes of
// its own, due when none was sent for a while. What the average has seen of an idle link may be an hour old, which is what can be had.
type Meter struct {
	loss    float64 // 0 to 1
	seen    int     // probes that count in loss; meterSpan at most
	streak  int     // answers since the last loss
	last    time.Time
	waiting []waitingProbe
	trips   [meterTrips]time.Duration // the latest round trips, in a ring; 0: none
	trip    int                       // where the next one goes
}

type waitingProbe struct {
	id   uint64
	sent time.Time
}

const (
	// meterSpan is over how many probes losses are averaged. One lost probe counts as less than 2 %, of a link that is new as 3 %.
	meterSpan = 64
	// meterPrior is how many answered probes a new link is taken to have had.
	meterPrior = 32
	// meterTrips is of how many round trips the least counts: a way that becomes longer, with traffic, is measured anew within 16 s.
	meterTrips = 8
	// meterSound is how many answers in a row show that losses may be over.
	meterSound = 8
	// meterPatience is how long an answer may take, at least: one that comes late is not lost, and of a peer that has no time they do.
	meterPatience = 3 * time.Second
	// meterBusy is how long after a probe a link that carries traffic gets one for the meter.
	meterBusy = 2 * time.Second
	// meterNew is that of a link of which little is known, so that links are compared that were measured alike.
	meterNew = 4 * time.Second
	// meterIdle is that of any other.
	meterIdle = time.Minute
)

// Began starts the average anew, for a link that has come up.
func (m *Meter) Began(now time.Time) { *m = Meter{seen: meterPrior, last: now} }

// Renew has the link measured like a new one, meterPrior times every meterNew. It is for a link that packets have left for a better way: what
// was measured then may be over in a moment, and nothing but newer measurements brings them back.
func (m *Meter) Renew() { m.seen = min(m.seen, meterPrior) }

// Sent notes a probe.
func (m *Meter) Sent(id uint64, now time.Time) {
	m.last = now
	m.waiting = append(m.waiting, waitingProbe{id, now})
}

// Answered notes the answer to a probe, and how long it took.
func (m *Meter) Answered(id uint64, took time.Duration) {
	m.trips[m.trip] = max(took, 1)
	m.trip = (m.trip + 1) % meterTrips
	for i := range m.waiting {
		if m.waiting[i].id == id {
			m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
			m.count(0)
			return
		}
	}
}

// RoundTrip is the least of the last eight; 0: there was none.
func (m *Meter) RoundTrip() (least time.Duration) {
	for _, trip := range m.trips {
		if trip > 0 && (least == 0 || trip < least) {
			least = trip
		}
	}
	return least
}

// Moved forgets the round trips, and the probes that wait for their answers, for a link that leads to another endpoint now.
func (m *Meter) Moved() {
	m.trips = [meterTrips]time.Duration{}
	m.Disregard()
}

// Expire counts the probes as lost that have waited for longer than their answers take: 3 s, or three times the round trip given.
func (m *Meter) Expire(now time.Time, roundTrip time.Duration) {
	patience, n := max(meterPatience, 3*roundTrip), 0
	for n < len(m.waiting) && now.Sub(m.waiting[n].sent) >= patience {
		m.count(1)
		n++
	}
	m.waiting = append(m.waiting[:0], m.waiting[n:]...)
}

// Disregard forgets the probes that wait for their answers: that these do not come says nothing of the link.
func (m *Meter) Disregard() { m.waiting = m.waiting[:0] }

// count takes one probe into the average: 1 for a lost one, 0 for another.
func (m *Meter) count(lost float64) {
	m.seen = min(m.seen+1, meterSpan)
	m.loss += (lost - m.loss) / float64(m.seen)
	m.streak++
	if lost > 0 {
		m.streak = 0
	}
}

// Sound reports whether the last eight probes were answered. Packets do not leave a way for what it has lost before: most of all where ends
// had no time, it is over, and would be stated for minutes.
func (m *Meter) Sound() bool { return m.streak >= meterSound }

// Loss is the share of probes that were lost lately, 0 to 1. One that waits for its answer does not count yet.
func (m *Meter) Loss() float64 { return m.loss }

// Waiting is how many probes wait for their answers.
func (m *Meter) Waiting() int { return len(m.waiting) }

// Surely is the share that the link loses at least, as far as so few probes can tell: the average less its standard error. Links that are
// alike shall not look different by chance, for paths would be moved for it.
func (m *Meter) Surely() float64 {
	return max(0, m.loss-math.Sqrt(m.loss*(1-m.loss)/meterSpan))
}

// Due is when the meter wants a probe, if none is sent before for another reason. carried is when data came or went last.
func (m *Meter) Due(now, carried time.Time) time.Time {
	switch {
	case !carried.IsZero() && now.Sub(carried) < meterBusy:
		return m.last.Add(meterBusy)
	case m.seen < meterSpan:
		return m.last.Add(meterNew)
	}
	return m.last.Add(meterIdle)
}

// Smooth takes a measured round trip into the average of those before; 0: there was none (RFC 6298, alpha = 1/8).
func Smooth(average, measured time.Duration) time.Duration {
	if average == 0 {
		return measured
	}
	return average + (measured-average)/8
}
