package alive

import (
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// Failures are the routes on which nothing came back: they are left alone for a while, each time longer.
type Failures []failure

type failure struct {
	relays []trust.Fingerprint
	times  int
	at     time.Time // it failed last
	until  time.Time // it counts as failed; kept for a while after that
}

const (
	failedFor  = 10 * time.Second // for the first time; doubles
	failedMost = 5 * time.Minute
	failedKept = 10 * time.Minute // how long it is known that a route failed
)

func (f Failures) find(relays []trust.Fingerprint) int {
	return slices.IndexFunc(f, func(x failure) bool { return slices.Equal(x.relays, relays) })
}

// Has reports whether a route has failed lately.
func (f Failures) Has(relays []trust.Fingerprint) bool {
	i := f.find(relays)
	return i >= 0 && !f[i].until.IsZero()
}

// Spare reports whether nothing speaks against a route.
func (f Failures) Spare(relays []trust.Fingerprint) bool { return len(relays) > 0 && !f.Has(relays) }

// Add notes that a route failed.
func (f *Failures) Add(relays []trust.Fingerprint, now time.Time) {
	i := f.find(relays)
	if i < 0 {
		*f = append(*f, failure{relays: slices.Clone(relays)})
		i = len(*f) - 1
	}
	x := &(*f)[i]
	x.at, x.until = now, now.Add(min(failedFor<<min(x.times, 10), failedMost))
	x.times++
}

// Expire lets routes be tried again whose time is over, and forgets those that failed long ago.
func (f *Failures) Expire(now time.Time) {
	for i := range *f {
		if x := &(*f)[i]; !now.Before(x.until) {
			x.until = time.Time{}
		}
	}
	*f = slices.DeleteFunc(*f, func(x failure) bool { return now.Sub(x.at) >= failedKept })
}

// Next is when Expire will let a route be tried again, or the time or, if that is earlier.
func (f Failures) Next(or time.Time) time.Time {
	for i := range f {
		if u := f[i].until; !u.IsZero() && (or.IsZero() || u.Before(or)) {
			or = u
		}
	}
	return or
}
