package alive

import "time"

// Action is what a Link asks its owner to do.
type Action uint8

// The actions.
const (
	Nothing Action = iota
	Probe          // send a probe on the path
	Call           // try to reach the peer anew
	Declare        // it is down
)

// Link decides whether something that leads to a peer works: the direct link, or the path through relays. It is a deterministic engine
// without sockets, driven by Step.
//
// While up it probes: every Busy or Idle since the peer was last heard there. A probe without any authenticated frame since
// it was sent, after Answer, is a miss: Burst probes follow, Gap apart, and when the last is not answered either it is down. While down
// it calls, with a pause that doubles from CallMin until it is, with its jitter, between two thirds of CallMax and all of it.
//
// Where another path stands ready, a miss is noticed sooner, and Ailing says after Hasty probes of the burst that packets had better go
// there: a path that is left in vain costs little, and the burst goes on. At 5 % loss, which is one probe in ten without an answer,
// that happens once in 100,000 probes.
//
// That the peer is heard does not say that it hears us. Where there is a hint that it does not, Challenge starts a burst which only an
// answer ends.
type Link struct {
	t      Timing
	jitter func(time.Duration) time.Duration // a random duration in [0, d)

	Spare bool // another path stands ready: the owner sets it

	up       bool
	waiting  bool      // a probe is unanswered
	asked    time.Time // when the probe that waits was sent
	hoped    time.Time // when something was sent that is mostly answered; zero: nothing since the peer was heard
	burst    int       // probes of the present burst; 0: none
	strict   bool      // only an answer ends it
	proven   time.Time // when a probe was sent whose answer ended a strict burst last
	began    time.Time // the first of them
	lastSent time.Time // last probe
	pause    time.Duration
	next     time.Time // next call while down
	calls    int       // since the link was lost, or CallSoon
}

// NewLink makes a Link that is down, and calls at once.
func NewLink(t Timing, jitter func(time.Duration) time.Duration) Link {
	return Link{t: t, jitter: jitter, pause: t.CallMin}
}

// Up reports whether it works.
func (l *Link) Up() bool { return l.up }

// Missing reports whether an answer is overdue, and a burst of probes under way.
func (l *Link) Missing() bool { return l.burst > 0 }

// Calls is how often it has called since it was lost, or CallSoon.
func (l *Link) Calls() int { return l.calls }

// Rise notes that the peer answered: the link is up.
func (l *Link) Rise() {
	l.up, l.waiting, l.strict, l.burst, l.pause = true, false, false, 0, l.t.CallMin
}

// Fall notes that the link is down; the first call follows at once, or after delay.
func (l *Link) Fall(now time.Time, delay time.Duration) {
	l.up, l.waiting, l.strict, l.burst, l.pause, l.calls, l.hoped = false, false, false, 0, l.t.CallMin, 0, time.Time{}
	l.next = now.Add(delay)
}

// CallSoon makes a peer that is down be called at once, say because a new endpoint is known.
func (l *Link) CallSoon(now time.Time) {
	if !l.up {
		l.next, l.pause, l.calls = now, l.t.CallMin, 0
	}
}

// Hope notes that something was sent that is mostly answered, as gossip is: if nothing is heard in time, a probe asks.
func (l *Link) Hope(now time.Time) {
	if l.up && l.hoped.IsZero() {
		l.hoped = now
	}
}

// Doubt starts a burst at once, because something outside hints that the peer may be gone.
func (l *Link) Doubt(now time.Time) Action {
	if !l.up || l.burst > 0 {
		return Nothing
	}
	l.waiting, l.asked = true, now
	return l.startBurst(now)
}

// Challenge starts a burst that only an answer ends, of which Answered is told, because the peer seems not to hear us. Frames of it show
// nothing until then. A burst that is under way becomes one like that. For Busy after an answer it does nothing: the probes of a challenge
// are themselves a hint to the other end, and two ends on a short link would challenge each other for ever.
func (l *Link) Challenge(now time.Time) Action {
	if !l.up || l.strict || now.Sub(l.proven) < l.t.Busy {
		return Nothing
	}
	l.strict = true
	return l.Doubt(now)
}

// Answered notes that a probe was answered which was sent there at that time.
func (l *Link) Answered(sent time.Time) {
	if l.strict && !sent.Before(l.asked) {
		l.strict, l.waiting, l.burst, l.proven = false, false, 0, sent
	}
}

// Step returns what to do now. heard and carried are when the last authenticated frame and the last data frame were
// seen; zero: never. rtt is the smoothed round trip.
func (l *Link) Step(now, heard, carried time.Time, rtt time.Duration) Action {
	if !l.up {
		return l.stepDown(now)
	}
	if l.waiting && !l.strict && !heard.Before(l.asked) {
		l.waiting, l.burst = false, 0
	}
	if !heard.Before(l.hoped) {
		l.hoped = time.Time{}
	}
	switch {
	case l.burst > 0:
		return l.stepBurst(now, rtt)
	case l.waiting && now.Sub(l.asked) >= l.answer(rtt):
		return l.startBurst(now)
	case !l.waiting && l.overdue(now, heard, carried, rtt):
		l.waiting, l.asked = true, now
		return l.send(now)
	}
	return Nothing
}

// overdue reports whether it is time for a probe.
func (l *Link) overdue(now, heard, carried time.Time, rtt time.Duration) bool {
	if !l.hoped.IsZero() && now.Sub(l.hoped) >= l.answer(rtt) {
		l.hoped = time.Time{}
		return true
	}
	return now.Sub(latest(heard, l.lastSent)) >= l.period(now, carried)
}

func (l *Link) stepDown(now time.Time) Action {
	if now.Before(l.next) {
		return Nothing
	}
	l.next = now.Add(l.pause + l.jitter(l.pause/2))
	l.pause = min(2*l.pause, 2*l.t.CallMax/3)
	l.calls++
	return Call
}

func (l *Link) startBurst(now time.Time) Action {
	l.burst, l.began = 1, now
	return l.send(now)
}

func (l *Link) stepBurst(now time.Time, rtt time.Duration) Action {
	switch {
	case l.burst < l.t.Burst && now.Sub(l.lastSent) >= l.t.Gap:
		l.burst++
		return l.send(now)
	case l.burst >= l.t.Burst && now.Sub(l.lastSent) >= max(l.t.Gap, 2*rtt):
		return Declare
	}
	return Nothing
}

func (l *Link) send(now time.Time) Action {
	l.lastSent = now
	return Probe
}

// Ailing reports whether Hasty probes of a burst are unanswered: packets had better take another path, if there is one. It goes by the
// burst alone, which this process was awake for, and not by the probe before it, whose answer may wait here unread.
func (l *Link) Ailing(now time.Time, rtt time.Duration) bool {
	return l.up && l.burst >= l.t.Hasty && now.Sub(l.began) >= max(time.Duration(l.t.Hasty)*l.t.Gap, 2*rtt)
}

func (l *Link) period(now, carried time.Time) time.Duration {
	if !carried.IsZero() && now.Sub(carried) < 2*l.t.Busy {
		return l.t.Busy
	}
	return l.t.Idle
}

func (l *Link) answer(rtt time.Duration) time.Duration {
	if l.Spare {
		return max(l.t.HastyAnswer, 3*rtt)
	}
	return max(l.t.Answer, 2*rtt)
}

// Due is when Step should be called again, given the same facts; the owner may call it earlier.
func (l *Link) Due(now, heard, carried time.Time, rtt time.Duration) time.Time {
	switch {
	case !l.up:
		return l.next
	case l.burst >= l.t.Burst:
		return l.lastSent.Add(max(l.t.Gap, 2*rtt))
	case l.burst > 0:
		return l.lastSent.Add(l.t.Gap)
	case l.waiting:
		return l.asked.Add(l.answer(rtt))
	}
	due := latest(heard, l.lastSent).Add(l.period(now, carried))
	if hoped := l.hoped.Add(l.answer(rtt)); !l.hoped.IsZero() && hoped.Before(due) {
		return hoped
	}
	return due
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
