package linkstate

import (
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// trial is a Choice under a clock of its own, which advances by steps of 50 ms.
type trial struct {
	t        testing.TB
	choice   Choice
	now      time.Time
	options  Options
	last     Decision
	switches int
}

// route is a route through a node of a name.
func route(name byte, cost time.Duration) Route {
	return Route{Relays: []trust.Fingerprint{{name}}, Cost: cost}
}

// newTrial has a direct path and two routes, all up, that cost about the same.
func newTrial(t testing.TB) *trial {
	r := &trial{t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.options = Options{
		DirectUp: true, DirectCost: 10 * time.Millisecond,
		Best: route('b', 20*time.Millisecond), Second: route('s', 30*time.Millisecond),
	}
	r.run(time.Minute)
	if r.last.Relayed || r.switches > 0 {
		t.Fatalf("it begins with %+v", r.last)
	}
	return r
}

func (r *trial) run(d time.Duration) { r.until(d, func() bool { return false }) }

// until lets time pass until a condition holds, at most d, and returns how long it took.
func (r *trial) until(d time.Duration, done func() bool) time.Duration {
	begin := r.now
	for end := r.now.Add(d); ; r.now = r.now.Add(50 * time.Millisecond) {
		r.last = r.choice.Decide(r.now, r.options)
		if r.last.Changed {
			r.switches++
		}
		if r.last.Why == "" || !r.last.Next.IsZero() && r.last.Next.Before(r.now) {
			r.t.Errorf("decision %+v at %v", r.last, r.now)
		}
		if done() || !r.now.Before(end) {
			return r.now.Sub(begin)
		}
	}
}

func (r *trial) relayed() bool { return r.last.Relayed }

func (r *trial) through(name byte) bool {
	return r.last.Relayed && r.last.Route.Relays[0] == trust.Fingerprint{name}
}

// dead makes routes through some nodes dead.
func (r *trial) dead(names ...byte) {
	r.options.Alive = func(relays []trust.Fingerprint) bool { return !slices.Contains(names, relays[0][0]) }
}

func TestWhatIsDownIsLeftAtOnce(t *testing.T) {
	r := newTrial(t)
	r.options.DirectUp = false
	r.run(0)
	if !r.through('b') {
		t.Errorf("direct is down: %+v", r.last)
	}
	r.dead('b')
	r.run(0)
	if !r.through('s') {
		t.Errorf("the best route is dead: %+v", r.last)
	}
	r.options.Best, r.options.Second = route('n', time.Millisecond), Route{} // and no route through s any more
	r.run(0)
	if !r.through('n') {
		t.Errorf("the route in use is none any more: %+v", r.last)
	}
	r.options.Best = Route{}
	r.run(0)
	if r.relayed() {
		t.Errorf("there is no route: %+v", r.last)
	}
}

func TestWhereNothingIsUpTheRouteIsKept(t *testing.T) {
	r := newTrial(t)
	r.options.DirectUp = false
	r.run(time.Second)
	r.dead('b', 's')
	r.run(time.Minute)
	if !r.through('b') || r.switches != 1 {
		t.Errorf("%+v, after %d switches", r.last, r.switches)
	}
	r.options.DirectUp = true
	r.run(0)
	if r.relayed() {
		t.Errorf("the direct path is up and nothing else is: %+v", r.last)
	}
}

func TestTheDirectPathIsGoneBackToWhenItLasts(t *testing.T) {
	r := newTrial(t)
	r.options.DirectUp = false
	r.run(time.Minute)
	r.options.DirectUp = true
	r.run(2 * time.Second)
	r.options.DirectMissed = true
	r.run(time.Second)
	r.options.DirectMissed = false
	if took := r.until(time.Minute, func() bool { return !r.relayed() }); took < cleanFor || took > cleanFor+time.Second {
		t.Errorf("direct again %v after the last miss, want %v", took, cleanFor)
	}
}

func TestTenCutsInAMinuteMakeFewSwitches(t *testing.T) {
	const detected = 1500 * time.Millisecond
	for _, cut := range []time.Duration{1600 * time.Millisecond, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second} {
		r := newTrial(t)
		var lost time.Duration
		for range 10 {
			direct := !r.relayed()
			if direct {
				lost += detected
			}
			r.run(detected)
			r.options.DirectUp = false
			r.run(cut - detected)
			r.options.DirectUp = true
			r.run(6*time.Second - cut)
		}
		if r.switches > 4 || lost >= 10*time.Second {
			t.Errorf("cuts of %v: %d switches, %v lost", cut, r.switches, lost)
		}
		if took := r.until(time.Hour, func() bool { return !r.relayed() }); took > cleanMost {
			t.Errorf("cuts of %v: direct again %v after the last one", cut, took)
		}
		r.run(10 * time.Minute) // forgotten
		r.options.DirectUp = false
		r.run(10 * time.Second)
		r.options.DirectUp = true
		if took := r.until(time.Hour, func() bool { return !r.relayed() }); took > 2*cleanFor {
			t.Errorf("long after cuts of %v: direct again after %v", cut, took)
		}
	}
}

func TestAnotherPathHasToBeClearlyBetterForAWhile(t *testing.T) {
	r := newTrial(t)
	r.options.DirectCost = 28 * time.Millisecond // by less than 10 ms
	r.run(time.Minute)
	if r.relayed() {
		t.Errorf("a route that is a little better was taken: %+v", r.last)
	}
	r.options.DirectCost = 80 * time.Millisecond
	r.run(betterFor / 2)
	r.options.DirectCost = 10 * time.Millisecond
	r.run(time.Second)
	r.options.DirectCost = 80 * time.Millisecond
	if took := r.until(time.Minute, r.relayed); took != betterFor {
		t.Errorf("the route was taken after %v, want %v", took, betterFor)
	}
	r.options.DirectCost = 24 * time.Millisecond // the route is better still, but not by half of the margin
	if took := r.until(time.Minute, func() bool { return !r.relayed() }); took > cleanFor {
		t.Errorf("direct again after %v", took)
	}
}

func TestACheaperRouteIsTakenAfterAWhile(t *testing.T) {
	r := newTrial(t)
	r.options.DirectUp = false
	r.run(time.Second)
	r.options.Best, r.options.Second = route('n', 5*time.Millisecond), route('b', 20*time.Millisecond)
	if took := r.until(time.Minute, func() bool { return r.through('n') }); took != betterFor {
		t.Errorf("the cheaper route was taken after %v, want %v", took, betterFor)
	}
	r.options.Best, r.options.Second = route('m', 4*time.Millisecond), route('o', 4*time.Millisecond)
	r.options.Cost = func([]trust.Fingerprint) (time.Duration, bool) { return 6 * time.Millisecond, true }
	r.run(time.Minute)
	if !r.through('n') || r.last.Route.Cost != 6*time.Millisecond {
		t.Errorf("a route that is a little better was taken: %+v", r.last)
	}
}

func TestWhoPrefersRoutesGoesDirectlyOnlyWhereNoneWorks(t *testing.T) {
	r := newTrial(t)
	r.options.Prefer = true
	if took := r.until(time.Minute, r.relayed); took != betterFor {
		t.Errorf("relayed after %v", took)
	}
	r.run(time.Hour)
	if !r.relayed() || r.last.Why != "relay: prefer" {
		t.Errorf("%+v", r.last)
	}
	r.dead('b', 's')
	r.run(0)
	if r.relayed() {
		t.Errorf("no route works: %+v", r.last)
	}
}

func TestADecisionSaysWhenToAskAgain(t *testing.T) {
	r := newTrial(t)
	r.options.DirectUp = false
	r.run(time.Second)
	r.options.DirectUp = true
	r.run(0)
	for range 3 { // only at Next
		r.now = r.last.Next
		r.run(0)
		if !r.relayed() {
			return
		}
	}
	t.Errorf("still %+v", r.last)
}
