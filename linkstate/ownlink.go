package linkstate

import (
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	// flapWindow and maxFlaps bound how often a link may go down before it is held down: a link that fails every few seconds carries
	// nothing well, and each failure costs a page to everybody.
	flapWindow = 30 * time.Second
	maxFlaps   = 3
)

// ownLink is one of this node's links.
type ownLink struct {
	peer   trust.Fingerprint
	number trust.Number
	told   uint64 // the call of SetLinks that named it last
	up     bool
	known  bool // its round trip was measured since it came up
	quality
	latest quality             // as it was measured last; like quality, which follows when a page is signed
	downs  [maxFlaps]time.Time // when it went down lately, the latest first
}

// compareLinks is the order of fingerprints, which is that of numbers.
func compareLinks(a, b *ownLink) int { return slices.Compare(a.peer[:], b.peer[:]) }

// measure takes a measurement. It reports what changed: whether the link is up, and its classes, if they are not like those before.
func (l *ownLink) measure(m Link, now time.Time) (turned, classed bool) {
	before := l.quality
	if m.Up {
		l.latest = quality{rttClass(m.RTT, l.latest.rtt, l.known), lossClass(m.Loss, l.latest.loss, l.known)}
		if !l.known || !l.latest.like(l.quality) {
			l.quality = l.latest
		}
		l.known = l.known || m.RTT > 0
	}
	if turned = m.Up != l.up; turned && !m.Up {
		copy(l.downs[1:], l.downs[:])
		l.downs[0] = now
		l.known = false // it may come back as another path
	}
	l.up = m.Up
	return turned, l.quality != before
}

// heldUntil is until when the link is stated to be down whatever it is; in the past: it is not held.
func (l *ownLink) heldUntil() time.Time {
	oldest := l.downs[maxFlaps-1]
	if oldest.IsZero() || l.downs[0].Sub(oldest) >= flapWindow {
		return time.Time{}
	}
	return l.downs[0].Add(flapWindow)
}

// statedUp reports whether the link is stated to be up.
func (l *ownLink) statedUp(now time.Time) bool { return l.up && !now.Before(l.heldUntil()) }
