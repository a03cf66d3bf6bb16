package linkstate

import (
	"fmt"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	// Another path is taken only if it is better by a share and by a time, for a while: classes of round trips are off by up to a
	// third, and a change reorders packets.
	betterShare = 0.25
	betterBy    = 10 * time.Millisecond
	betterFor   = 5 * time.Second

	// The direct path is gone back to when it was up without a miss for cleanFor, twice as long with each time that it went down, up to
	// cleanMost. A time that it went down is forgotten after forgetFlap without another.
	cleanFor   = 3 * time.Second
	cleanMost  = 60 * time.Second
	forgetFlap = 60 * time.Second
	maxFlap    = 6 // cleanFor doubled five times is more than cleanMost
)

// Choice decides for one peer whether packets go directly or along a route. What is down is left at once; what is merely worse, with
// hysteresis. Its zero value is ready, and begins directly. It belongs to one goroutine.
type Choice struct {
	relayed bool
	route   Route // that packets go along; only if relayed

	directUp    bool      // as it was last
	cleanSince  time.Time // the direct path is up without a miss; zero: it is not
	betterSince time.Time // another path is clearly better; zero: none is
	flaps       int       // that the direct path went down, or was left for a better one, lately
	lastFlap    time.Time
}

// Options is what a Choice chooses from.
type Options struct {
	DirectUp     bool          // the direct path is up
	DirectMissed bool          // but an answer is overdue
	DirectCost   time.Duration // as of Engine.Direct; counts only while DirectUp

	// Best and Second are as Engine.Routes returns them; no Relays: there is none.
	Best, Second Route
	// Cost is what the route in use costs now, and whether it is still one: Engine.Cost.
	Cost func(relays []trust.Fingerprint) (cost time.Duration, ok bool)
	// Alive says of a route whether frames get through, as far as the caller can tell. One that was never tried is alive. nil: all are.
	Alive func(relays []trust.Fingerprint) bool

	// Prefer asks for routes even where the direct path is better: it is used while no route is alive.
	Prefer bool
}

// Decision is what a Choice came to.
type Decision struct {
	Relayed bool
	Route   Route     // its cost as it is now; only if Relayed. Borrowed: not to be changed
	Changed bool      // packets go another way than before
	Why     string    // in words, for status
	Next    time.Time // when it may come to something else though the options stay the same; zero: never
}

// Decide chooses. Call it when any of the options may have changed, and at Next. Where nothing is up it stays with what there
// was, as long as that exists.
func (c *Choice) Decide(now time.Time, o Options) Decision {
	c.watch(now, o)
	was := *c
	d := Decision{}
	d.Why, d.Next = c.choose(now, o)
	if c.relayed {
		d.Relayed, d.Route = true, c.route
	}
	d.Changed = was.relayed != c.relayed || !slices.Equal(was.route.Relays, c.route.Relays)
	if d.Changed {
		c.betterSince = time.Time{}
	}
	return d
}

// watch follows the direct path.
func (c *Choice) watch(now time.Time, o Options) {
	if c.directUp && !o.DirectUp {
		c.flap(now)
	}
	c.directUp = o.DirectUp
	switch {
	case !o.DirectUp || o.DirectMissed:
		c.cleanSince = time.Time{}
	case c.cleanSince.IsZero():
		c.cleanSince = now
	}
}

// flap counts that the direct path was left, or went down.
func (c *Choice) flap(now time.Time) {
	c.flaps = min(c.recent(now)+1, maxFlap)
	c.lastFlap = now
}

// recent is how many flaps are not forgotten.
func (c *Choice) recent(now time.Time) int {
	return max(0, c.flaps-int(now.Sub(c.lastFlap)/forgetFlap))
}

// patience is how long the direct path has to be up before it is gone back to.
func (c *Choice) patience(now time.Time) time.Duration {
	return min(cleanFor<<max(0, c.recent(now)-1), cleanMost)
}

// settled reports whether the direct path has been up for long enough.
func (c *Choice) settled(now time.Time) bool {
	return !c.cleanSince.IsZero() && !now.Before(c.cleanSince.Add(c.patience(now)))
}

// choose sets relayed and route.
func (c *Choice) choose(now time.Time, o Options) (why string, next time.Time) {
	if !c.relayed {
		return c.chooseFromDirect(now, o)
	}
	cost, exists := o.cost(c.route)
	c.route.Cost = cost
	if exists && o.alive(c.route) {
		return c.chooseFromRoute(now, o)
	}
	return c.leaveRoute(now, o, exists)
}

// chooseFromDirect decides while packets go directly.
func (c *Choice) chooseFromDirect(now time.Time, o Options) (why string, next time.Time) {
	route, found := o.candidate()
	switch {
	case !found && o.DirectUp:
		c.betterSince = time.Time{}
		return "direct", time.Time{}
	case !found:
		return "the direct path is down, and there is no route", time.Time{}
	case !o.DirectUp:
		c.relay(route)
		return "the direct path is down", time.Time{}
	}
	better := o.Prefer || clearly(route.Cost, o.DirectCost, 1)
	if at, over := c.lasts(better, now); !over {
		return "direct", at
	}
	c.flap(now)
	c.relay(route)
	return whyBetter(route, o), time.Time{}
}

// chooseFromRoute decides while packets go along a route that works.
func (c *Choice) chooseFromRoute(now time.Time, o Options) (why string, next time.Time) {
	why = whyBetter(c.route, o)
	if !o.DirectUp {
		why = "the direct path is down"
	}
	if o.DirectUp && !o.Prefer && !clearly(c.route.Cost, o.DirectCost, 2) {
		if c.cleanSince.IsZero() {
			return "the direct path misses answers", time.Time{}
		}
		back := c.cleanSince.Add(c.patience(now))
		if c.settled(now) {
			c.relayed, c.route = false, Route{}
			return "direct", time.Time{}
		}
		why, next = fmt.Sprintf("the direct path is back, and has to stay for %v", c.patience(now)), back
	}
	route, found := o.candidate()
	at, over := c.lasts(found && clearly(route.Cost, c.route.Cost, 1), now)
	if over {
		c.relay(route)
	}
	if !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	return why, next
}

// leaveRoute finds something else than the route in use, which does not work; exists: as far as all nodes say it should.
func (c *Choice) leaveRoute(now time.Time, o Options, exists bool) (why string, next time.Time) {
	route, found := o.candidate()
	switch {
	case o.DirectUp && c.settled(now):
		c.relayed, c.route = false, Route{}
	case found:
		c.relay(route)
		if o.DirectUp {
			return "the direct path has not been up for long", time.Time{}
		}
		return "the direct path is down", time.Time{}
	case o.DirectUp || !exists:
		c.relayed, c.route = false, Route{}
	}
	if o.DirectUp {
		return "direct", time.Time{}
	}
	return "the direct path is down, and no route works", time.Time{}
}

func (c *Choice) relay(r Route) { c.relayed, c.route = true, r }

// lasts reports whether better has been so for betterFor, and else when it will have.
func (c *Choice) lasts(better bool, now time.Time) (at time.Time, over bool) {
	if !better {
		c.betterSince = time.Time{}
		return time.Time{}, false
	}
	if c.betterSince.IsZero() {
		c.betterSince = now
	}
	at = c.betterSince.Add(betterFor)
	return at, !now.Before(at)
}

// clearly reports whether a cost is better than another one by the margins, or by a part of them.
func clearly(cost, than time.Duration, part int) bool {
	margin := max(betterBy, time.Duration(betterShare*float64(than))) / time.Duration(part)
	return cost+margin <= than
}

func whyBetter(r Route, o Options) string {
	if o.Prefer {
		return "relay: prefer"
	}
	return fmt.Sprintf("the direct path costs %v, the route %v", o.DirectCost.Round(100*time.Microsecond), r.Cost.Round(100*time.Microsecond))
}

// candidate is the better of both routes that is alive.
func (o Options) candidate() (Route, bool) {
	for _, r := range []Route{o.Best, o.Second} {
		if len(r.Relays) > 0 && o.alive(r) {
			return r, true
		}
	}
	return Route{}, false
}

func (o Options) alive(r Route) bool { return o.Alive == nil || o.Alive(r.Relays) }

// cost is what a route costs now.
func (o Options) cost(r Route) (time.Duration, bool) {
	for _, known := range []Route{o.Best, o.Second} {
		if slices.Equal(known.Relays, r.Relays) {
			return known.Cost, true
		}
	}
	if o.Cost == nil {
		return 0, false
	}
	return o.Cost(r.Relays)
}
