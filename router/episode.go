package router

import "time"

// episode is a time of load by handshakes, as people are told of it: it begins when load has lasted, so that the start of many nodes
// at once is none, and ends when there has been none for a while, so that load which comes and goes is told once.
type episode struct {
	since time.Time // when load began; zero: there is none
	last  time.Time // when there was load last
	on    bool
}

const (
	episodeAfter = 3 * time.Second
	episodeCalm  = 10 * time.Second
)

// step notes whether there is load now, and reports whether the episode has just begun, or ended.
func (e *episode) step(loaded bool, now time.Time) (began, ended bool) {
	if loaded {
		if e.since.IsZero() {
			e.since = now
		}
		e.last = now
		began = !e.on && now.Sub(e.since) >= episodeAfter
		e.on = e.on || began
		return began, false
	}
	if e.on && now.Sub(e.last) < episodeCalm {
		return false, false
	}
	ended = e.on
	*e = episode{}
	return false, ended
}

// Handshakes is what became of initiations that others sent. Those that were refused, or limited under load, are dropped, and counted
// there.
type Handshakes struct {
	Answered uint64 // got a response
	Cookies  uint64 // got a cookie, under load
}

// stepLimiter tells of load by handshakes. It returns how long control may sleep.
func (r *Router) stepLimiter(now time.Time) time.Duration {
	m := &r.limiter
	began, ended := m.episode.step(m.isLoaded(r.clock()), now)
	switch {
	case began:
		r.log.Warn("router.handshakes.limited", "reason", limitedReason)
		r.emit(Event{Kind: HandshakesLimited, Reason: limitedReason})
	case ended:
		r.log.Info("router.handshakes.unlimited", "cookies", m.replied.Load(), "dropped", r.Counters().Dropped[HandshakeLimited])
		r.emit(Event{Kind: HandshakesLimited})
	}
	return longestSleep
}

const limitedReason = "more handshakes are begun with this node than it can answer: who begins one has to prove its address first"

// handshakeCounts is what became of initiations so far.
func (r *Router) handshakeCounts() Handshakes {
	return Handshakes{Answered: r.limiter.responses.Load(), Cookies: r.limiter.replied.Load()}
}
