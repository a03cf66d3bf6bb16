package alive

import "time"

// Insistence tells by the times at which a peer's probes arrive whether it gets our answers to them. A Link that works is probed every Busy
// at most, and a burst ends with the first answer: so probes that follow each other by a Gap, for longer than an answer takes, come from a
// peer that does not hear us. The zero value has seen no probe.
type Insistence struct{ began, last time.Time }

// Probed notes a probe that arrived on the link, and reports whether the peer insists. gap is the Gap of its bursts, rtt the round trip of
// the link; 0: not known.
//
// Where the round trip is longer than gap, bursts of peers that do get answers are longer, too, by up to one round trip.
func (i *Insistence) Probed(now time.Time, gap, rtt time.Duration) bool {
	if now.Sub(i.last) > gap*3/2 {
		i.began = now
	}
	i.last = now
	return now.Sub(i.began) >= max(gap/2, rtt*3/2)
}
