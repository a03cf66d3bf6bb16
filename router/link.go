package router

import "time"

// Timing are the periods of the probes and calls. The zero value of a field takes the default.
type Timing struct {
	Busy   time.Duration // probe period of a path that carries traffic
	Idle   time.Duration // probe period of a path that does not
	Answer time.Duration // how long an answer may take before the probe counts as missed
	Burst  int           // probes after the first miss
	Gap    time.Duration // between the probes of a burst

	Hasty       int           // probes of a burst after which a path is left for another that stands ready
	HastyAnswer time.Duration // Answer where another path stands ready; three round trips, if that is more

	CallMin time.Duration // first pause between calls of a peer that does not answer; doubles
	CallMax time.Duration // last pause, at most
	Rekey   time.Duration // age of a keypair at which it is replaced

	RekeyCount uint64 // frames that went in one lane under a keypair, at which it is replaced as well; 0: encap's default
}

// SetRekey sets the age at which keypairs are replaced, of all peers. It may be called from any goroutine.
func (r *Router) SetRekey(age time.Duration) {
	_ = r.call(func() { // a router that has stopped replaces none
		r.timing.Rekey = age
		for _, p := range r.peers {
			p.session.SetRekeyAfter(age)
		}
	})
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Busy, 500*time.Millisecond)
	set(&t.Idle, 15*time.Second)
	set(&t.Answer, 500*time.Millisecond)
	set(&t.Gap, 100*time.Millisecond)
	set(&t.HastyAnswer, 200*time.Millisecond)
	set(&t.CallMin, 250*time.Millisecond)
	set(&t.CallMax, 5*time.Second)
	set(&t.Rekey, 2*time.Minute)
	if t.Burst == 0 {
		t.Burst = 8
	}
	if t.Hasty == 0 {
		t.Hasty = 4
	}
	return t
}

// action is what a link asks its owner to do.
type action uint8

const (
	nothing action = iota
	probe          // send a probe on the path
	call           // send a handshake initiation to the candidates
	declare        // it is down
)

// link decides whether something that leads to a peer works: the direct link, or the path through relays. It is a deterministic engine
// without sockets, driven by step.
//
// While up it probes: every Busy or Idle since the peer was last heard there. A probe without any authenticated frame since
// it was sent, after Answer, is a miss: Burst probes follow, Gap apart, and when the last is not answered either it is down. While down
// it calls, with a pause that doubles from CallMin until it is, with its jitter, between two thirds of CallMax and all of it.
//
// Where another path stands ready, a miss is noticed sooner, and ailing says after Hasty probes of the burst that packets had better go
// there: a path that is left in vain costs little, and the burst goes on. At 5 % loss, which is one probe in ten without an answer,
// that happens once in 100,000 probes.
type link struct {
	t      Timing
	jitter func(time.Duration) time.Duration // a random duration in [0, d)

	up       bool
	spare    bool      // another path stands ready
	waiting  bool      // a probe is unanswered
	asked    time.Time // when the probe that waits was sent
	hoped    time.Time // when something was sent that is mostly answered; zero: nothing since the peer was heard
	burst    int       // probes of the present burst; 0: none
	began    time.Time // the first of them
	lastSent time.Time // last probe
	pause    time.Duration
	next     time.Time // next call while down
	calls    int       // since the link was lost, or callSoon
}

func newLink(t Timing, jitter func(time.Duration) time.Duration) link {
	return link{t: t, jitter: jitter, pause: t.CallMin}
}

// rise notes that the peer answered: the link is up.
func (l *link) rise() {
	l.up, l.waiting, l.burst, l.pause = true, false, 0, l.t.CallMin
}

// fall notes that the link is down; the first call follows at once, or after delay.
func (l *link) fall(now time.Time, delay time.Duration) {
	l.up, l.waiting, l.burst, l.pause, l.calls, l.hoped = false, false, 0, l.t.CallMin, 0, time.Time{}
	l.next = now.Add(delay)
}

// callSoon makes a peer that is down be called at once, say because a new endpoint is known.
func (l *link) callSoon(now time.Time) {
	if !l.up {
		l.next, l.pause, l.calls = now, l.t.CallMin, 0
	}
}

// hope notes that something was sent that is mostly answered, as gossip is: if nothing is heard in time, a probe asks.
func (l *link) hope(now time.Time) {
	if l.up && l.hoped.IsZero() {
		l.hoped = now
	}
}

// doubt starts a burst at once, because something outside hints that the peer may be gone.
func (l *link) doubt(now time.Time) action {
	if !l.up || l.burst > 0 {
		return nothing
	}
	l.waiting, l.asked = true, now
	return l.startBurst(now)
}

// step returns what to do now. heard and carried are when the last authenticated frame and the last data frame were
// seen; zero: never. rtt is the smoothed round trip.
func (l *link) step(now, heard, carried time.Time, rtt time.Duration) action {
	if !l.up {
		return l.stepDown(now)
	}
	if l.waiting && !heard.Before(l.asked) {
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
	return nothing
}

// overdue reports whether it is time for a probe.
func (l *link) overdue(now, heard, carried time.Time, rtt time.Duration) bool {
	if !l.hoped.IsZero() && now.Sub(l.hoped) >= l.answer(rtt) {
		l.hoped = time.Time{}
		return true
	}
	return now.Sub(latest(heard, l.lastSent)) >= l.period(now, carried)
}

func (l *link) stepDown(now time.Time) action {
	if now.Before(l.next) {
		return nothing
	}
	l.next = now.Add(l.pause + l.jitter(l.pause/2))
	l.pause = min(2*l.pause, 2*l.t.CallMax/3)
	l.calls++
	return call
}

func (l *link) startBurst(now time.Time) action {
	l.burst, l.began = 1, now
	return l.send(now)
}

func (l *link) stepBurst(now time.Time, rtt time.Duration) action {
	switch {
	case l.burst < l.t.Burst && now.Sub(l.lastSent) >= l.t.Gap:
		l.burst++
		return l.send(now)
	case l.burst >= l.t.Burst && now.Sub(l.lastSent) >= max(l.t.Gap, 2*rtt):
		return declare
	}
	return nothing
}

func (l *link) send(now time.Time) action {
	l.lastSent = now
	return probe
}

// ailing reports whether Hasty probes of a burst are unanswered: packets had better take another path, if there is one. It goes by the
// burst alone, which this process was awake for, and not by the probe before it, whose answer may wait here unread.
func (l *link) ailing(now time.Time, rtt time.Duration) bool {
	return l.up && l.burst >= l.t.Hasty && now.Sub(l.began) >= max(time.Duration(l.t.Hasty)*l.t.Gap, 2*rtt)
}

func (l *link) period(now, carried time.Time) time.Duration {
	if !carried.IsZero() && now.Sub(carried) < 2*l.t.Busy {
		return l.t.Busy
	}
	return l.t.Idle
}

func (l *link) answer(rtt time.Duration) time.Duration {
	if l.spare {
		return max(l.t.HastyAnswer, 3*rtt)
	}
	return max(l.t.Answer, 2*rtt)
}

// due is when step should be called again, given the same facts; the owner may call it earlier.
func (l *link) due(now, heard, carried time.Time, rtt time.Duration) time.Time {
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
