package pmtu

import "time"

// The periods of an engine.
const (
	ConfirmPeriod = time.Second      // of the probe of the route MTU, while long packets flow
	GrowPeriod    = 7 * time.Second  // of the attempts to find that more passes, while long packets flow
	RestPeriod    = 10 * time.Minute // of both, while none do
)

const (
	firstRound = 500 * time.Millisecond // of a path of which no round trip is known
	leastRound = 250 * time.Millisecond
	mostRound  = 4 * time.Second
	mostSilent = 4 // the time of a round doubles so often

	// verdictLosses is how often a size is lost, while shorter ones pass, before the route MTU is lowered from it; otherLosses,
	// for any other size, where a slip costs a little speed until the next attempt to grow. With 5 % loss in each direction a
	// probe is lost in one of ten cases.
	verdictLosses = 6
	otherLosses   = 3
)

// Config is what an Engine begins with.
type Config struct {
	Floor  int           // Floor4 or Floor6, by the underlay's family
	Bound  int           // the longest size that the links at both ends take
	Spread time.Duration // that RestPeriod is longer by: another one for each engine, so that they do not probe all at once
}

// Known says how the route MTU is known.
type Known string

// The ways to know it.
const (
	Link      Known = "link"      // it is what the links at both ends take, and nobody looks further
	Verified  Known = "verified"  // a probe of that size was answered, and none was lost since
	Searching Known = "searching" // a probe of that size is not answered yet, or was lost: long frames are split meanwhile
)

// State is what an engine knows.
type State struct {
	MTU   int // the route MTU, as a size on the underlay
	Safe  int // the longest size that goes whole
	Known Known
}

// Engine finds what one path carries. Make it with New.
type Engine struct {
	floor, bound int
	rest         time.Duration

	told    int // the route MTU
	good    int // the longest size that was answered since the path was last in doubt; 0: none
	bad     int // the shortest size that does not pass; bound+1: none is known
	trials  trials
	search  bool // rounds are being made
	growing bool // the first round of an attempt to grow: without an answer it is the last
	checked bool // what was lost is a matter of its size: shorter probes were answered
	silent  int  // rounds in a row without an answer

	open      bool      // a round is waiting for answers
	end       time.Time // of it
	first     uint64    // ID of its first probe
	heard     bool      // an answer came to one of its probes
	took      time.Duration
	confirmed time.Time // when a probe of the route MTU was last answered
	grown     time.Time // when more was last tried
	probes    record
}

// New makes the engine of a path that has just come up.
func New(cfg Config) *Engine {
	bound := max(cfg.Bound, cfg.Floor)
	e := &Engine{floor: cfg.Floor, bound: bound, rest: RestPeriod + cfg.Spread, told: bound}
	e.Doubt()
	return e
}

// State is what is known now.
func (e *Engine) State() State {
	s := State{MTU: e.told, Safe: e.safe(), Known: Verified}
	if e.good < e.told {
		s.Known = Searching
	}
	return s
}

// safe is what goes whole. The base is taken to pass until it is known not to.
func (e *Engine) safe() int {
	assumed := min(Base, e.told)
	if e.bad <= assumed {
		assumed = e.floor
	}
	return max(min(e.good, e.bound), assumed)
}

// Long is the size from which on packets make an engine look after the path: their loss would not be noticed otherwise.
func (s State) Long() int { return min(Base, s.MTU) * 3 / 4 }

// Doubt makes the engine verify the route MTU again, at the next Step: the path has come up again.
func (e *Engine) Doubt() {
	e.good, e.bad, e.silent = 0, e.bound+1, 0
	e.begin(e.told)
}

// TooLong notes that the kernel refused a packet of that size: the link has become smaller. Such packets are not safe from now
// on, and what is shorter is searched, from the next Step on.
func (e *Engine) TooLong(size int) {
	if !e.search {
		e.Doubt()
	}
	if e.good >= size {
		e.good = 0
	}
	e.fail(size)
	if e.trials.add(between(e.safe(), e.bad)...); len(e.trials) == 0 {
		e.trials.add(e.safe())
	}
}

// SetBound tells of another bound. A smaller one is the route MTU at once; a larger one is tried.
func (e *Engine) SetBound(bound int) {
	bound = max(bound, e.floor)
	if bound == e.bound {
		return
	}
	e.bound = bound
	if bound < e.told {
		e.told = bound
		e.Doubt()
		return
	}
	e.good, e.bad = min(e.good, bound), min(e.bad, bound+1)
	e.trials.keep(e.good, bound+1)
	e.grown = time.Time{}
}

// begin begins a search with some sizes.
func (e *Engine) begin(sizes ...int) {
	e.search, e.open, e.growing, e.checked = true, false, false, false
	e.trials = nil
	e.trials.add(sizes...)
}

// Step goes on, and returns the probes that are to be sent now. long is when the last packet of at least State.Long went; zero:
// none did.
func (e *Engine) Step(now, long time.Time) []Probe {
	if e.open && now.Before(e.end) {
		return nil
	}
	if e.open {
		e.conclude(now)
	}
	if e.search && len(e.trials) == 0 { // what was in question is settled by other means
		e.finish()
	}
	if !e.search {
		e.resume(now, long)
	}
	if !e.search {
		return nil
	}
	return e.round(now)
}

// resume begins what is due while nothing is in doubt.
func (e *Engine) resume(now, long time.Time) {
	switch {
	case !now.Before(e.nextConfirm(long)):
		e.begin(e.told)
	case !now.Before(e.nextGrow(long)):
		e.grown, e.bad = now, e.bound+1
		e.begin(min(e.good+precision, e.bound), e.bound)
		e.growing = true
	}
}

func (e *Engine) nextConfirm(long time.Time) time.Time {
	if long.After(e.confirmed) {
		return e.confirmed.Add(ConfirmPeriod)
	}
	return e.confirmed.Add(e.rest)
}

func (e *Engine) nextGrow(long time.Time) time.Time {
	switch {
	case e.good >= e.bound:
		return e.confirmed.Add(2 * e.rest) // never: the confirmation comes first
	case e.grown.IsZero():
		return time.Time{}
	case long.After(e.grown):
		return e.grown.Add(GrowPeriod)
	}
	return e.grown.Add(e.rest)
}

// Due is when Step will have something to do, if nothing else happens.
func (e *Engine) Due(long time.Time) time.Time {
	switch {
	case e.open:
		return e.end
	case e.search:
		return time.Time{}
	}
	confirm, grow := e.nextConfirm(long), e.nextGrow(long)
	if grow.Before(confirm) {
		return grow
	}
	return confirm
}
