package pmtu

import "time"

// round sends the next probes of a search.
func (e *Engine) round(now time.Time) (out []Probe) {
	sizes := e.trials.due(e.told)
	if e.wary() && e.floor < sizes[0] {
		sizes = append(sizes, e.floor) // whether anything passes
	}
	e.first, e.heard, e.open = e.probes.last+1, false, true
	for _, size := range sizes {
		out = append(out, e.probes.send(size, now))
		if t := e.trials.find(size); t != nil {
			t.tries++
		}
	}
	e.end = now.Add(e.patience())
	return out
}

// wary reports whether a probe of the route MTU was lost in this search.
func (e *Engine) wary() bool { return !e.growing && (e.silent > 0 || e.checked) }

// patience is how long a round waits for answers.
func (e *Engine) patience() time.Duration {
	wait := firstRound
	if e.took > 0 {
		wait = max(leastRound, 2*e.took)
	}
	return min(wait<<min(e.silent, mostSilent), mostRound)
}

// Answered takes the answer to a probe. Step is to be called behind it.
func (e *Engine) Answered(id uint64, now time.Time) {
	p := e.probes.take(id, now)
	if p == nil || p.Size > e.bound {
		return
	}
	e.took = max(now.Sub(p.at), e.took*7/8)
	e.good = max(e.good, p.Size)
	e.bad = max(e.bad, e.good+1)
	e.trials.keep(e.good, e.bad)
	if p.Size >= e.told {
		e.confirmed = now
	}
	e.settled(id, now, true)
	if !e.search {
		e.told = max(e.told, e.good)
	}
}

// Refused notes that the kernel did not send a probe: the link is smaller. Step is to be called behind it.
func (e *Engine) Refused(id uint64, now time.Time) {
	p := e.probes.take(id, now)
	if p == nil || p.Size <= e.good {
		return
	}
	e.fail(p.Size)
	e.settled(id, now, true)
}

// settled ends the round with its last probe. sure: the path has said something of sizes.
func (e *Engine) settled(id uint64, now time.Time, sure bool) {
	if !e.open || id < e.first {
		return
	}
	e.heard = e.heard || sure
	for i := e.first; i <= e.probes.last; i++ {
		if !e.probes.ring[i%uint64(len(e.probes.ring))].settled {
			return
		}
	}
	e.end = now
}

// fail notes that a size does not pass, nor does any longer one.
func (e *Engine) fail(size int) {
	e.bad = min(e.bad, size)
	e.checked = true
	e.trials.keep(e.good, e.bad)
}

// conclude ends a round: what it has shown, and what is tried next.
func (e *Engine) conclude(now time.Time) {
	e.open = false
	switch {
	case e.growing && e.good <= e.told:
		e.trials = nil
	case !e.heard:
		e.unheard()
		return
	case e.growing:
		e.checked = true
	default:
		e.blame()
	}
	e.growing, e.silent = false, 0
	e.widen(now)
	if len(e.trials) == 0 {
		e.finish()
	}
}

// unheard ends a round without any answer. The path is in doubt from the first one on.
func (e *Engine) unheard() {
	e.good = 0
	e.silent++
	if Base < e.told && Base < e.bad {
		e.trials.add(Base)
	}
}

// blame counts the lost probes of a round in which others were answered.
func (e *Engine) blame() {
	for id := e.first; id <= e.probes.last; id++ {
		p := &e.probes.ring[id%uint64(len(e.probes.ring))]
		t := e.trials.find(p.Size)
		if p.settled || t == nil {
			continue
		}
		t.lost++
		e.checked = true
		if t.lost >= e.losses(t.size) {
			e.fail(t.size)
		}
	}
}

func (e *Engine) losses(size int) int {
	if size == e.told {
		return verdictLosses
	}
	return otherLosses
}

// widen adds sizes to a search that has shown that something is too long: the common ones that are still possible; when all of
// them are settled, the route MTU is what passed, and such are added as divide the range that is left.
func (e *Engine) widen(now time.Time) {
	if !e.checked {
		return
	}
	e.trials.add(between(e.safe(), e.bad)...)
	if len(e.trials) > 0 {
		return
	}
	if e.bad <= e.told {
		e.confirmed, e.grown = now, now
		e.told = e.safe()
	}
	e.told = max(e.told, e.good)
	e.trials.add(divide(e.safe(), e.bad)...)
}

// finish ends a search. Where it has shown nothing of the route MTU, that is verified again, whatever was refused or lost before: a size that
// is known to be too long is no trial, and its losses would not count.
func (e *Engine) finish() {
	e.search = false
	e.told = max(e.told, e.good)
	if e.good < e.told {
		e.bad = max(e.bad, e.told+1)
		e.begin(e.told)
	}
}
