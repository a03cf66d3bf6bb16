package linkstate

import (
	"time"
)

// Choice decides for one peer whether packets go directly or along a route. Its zero value is ready: it begins directly. Like an
// Engine it has no clock; it belongs to one goroutine.
type Choice struct{}

// Options is what a Choice chooses from. Routes are as Engine.Routes returns them; no Relays: there is none.
type Options struct {
	DirectUp   bool          // the direct path was heard lately: no probe is missed beyond what makes it down
	DirectCost time.Duration // as Engine.Direct; only while DirectUp
	Best       Route
	Second     Route
	// Alive says of a route whether frames get through as far as this node can tell. A route that was never tried is alive. nil: all are.
	Alive  func(Route) bool
	Prefer bool // relay: prefer: directly only where no route is alive
}

// Decision is what a Choice came to.
type Decision struct {
	Relayed bool
	Route   Route     // only if Relayed
	Changed bool      // it differs from the decision before: other relays, or the other kind of path
	Why     string    // in words, for status: "direct", "direct is down since ...", see Choice.Decide
	Next    time.Time // ask again then at the latest; zero: when something changes
}

// Decide chooses. Call it when any of the options changed, and at Next. With nothing up at all it stays as it was.
func (c *Choice) Decide(now time.Time, o Options) Decision { return Decision{} }
