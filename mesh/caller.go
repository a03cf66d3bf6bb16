package mesh

import (
	"net/netip"
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	fastCalls     = 8 // calls at Timing.CallFirst before the spacing doubles
	maxCalls      = 8 // calls under way at once
	cloneCalls    = 3 // calls to an address where a clone may be
	callFloor     = 5 * time.Second
	callPerTarget = time.Second
)

// targetKey names whom to call: a seed, a known peer, or (with our own fingerprint) an address where a clone may be.
type targetKey struct {
	seed string
	id   trust.Fingerprint
}

// target is somebody to call until it is a member.
type target struct {
	key   targetKey
	at    []netip.AddrPort // of a clone; seeds are resolved and peers looked up at each call
	limit int              // calls; 0: for ever
	idle  bool             // it said goodbye: called at Timing.CallMax only

	next  time.Time
	tries int // since it last was up
	busy  bool

	// seeds only
	who     trust.Fingerprint // who answered the last call; zero: nobody
	last    trust.Fingerprint // who answered the last call that worked
	peer    string            // name of who
	up      bool
	self    bool      // it is this node: called now and then all the same, its name may come to mean another
	since   time.Time // of up
	lastErr string
}

// caller decides when to call whom. It is pure: the clock and the randomness (0 to below 1) come in.
//
// Spacing: the first calls follow each other at Timing.CallFirst, then the spacing doubles up to a limit. The limit is
// one second per target that is down, at least 5 s and at most Timing.CallMax: so a small cluster heals within seconds,
// and a large one is not called by everybody at once.
type caller struct {
	timing  Timing
	random  func() float64
	targets map[targetKey]*target
	busy    int
}

func newCaller(timing Timing, random func() float64) *caller {
	return &caller{timing: timing, random: random, targets: map[targetKey]*target{}}
}

// want adds a target unless it is there. The first call comes soon: at once for a seed.
func (c *caller) want(key targetKey, now time.Time) *target {
	t := c.targets[key]
	if t != nil {
		return t
	}
	t = &target{key: key, since: now, next: now}
	if key.seed == "" {
		t.next = now.Add(c.jitter(c.timing.CallFirst, 0.5))
	}
	c.targets[key] = t
	return t
}

// setIdle notes whether the target said goodbye.
func (c *caller) setIdle(t *target, idle bool, now time.Time) {
	if idle && !t.idle {
		t.next = now.Add(c.jitter(c.timing.CallMax, 0.5))
	}
	t.idle = idle
}

// drop forgets a target; a call under way goes on.
func (c *caller) drop(key targetKey) { delete(c.targets, key) }

// setUp notes whether the seed is a member now. A seed that went down is called again at once.
func (c *caller) setUp(t *target, up bool, now time.Time) {
	if t.up == up {
		return
	}
	t.up, t.since, t.tries = up, now, 0
	if up {
		t.lastErr = ""
	} else {
		t.next = now.Add(c.jitter(c.timing.CallFirst, 0.5))
	}
}

// due starts the calls whose time has come: the caller must call done for each.
func (c *caller) due(now time.Time) []*target {
	var start []*target
	for _, seeds := range []bool{true, false} {
		for _, t := range c.targets {
			if (t.key.seed != "") == seeds && c.waiting(t) && !t.next.After(now) && c.busy < maxCalls {
				t.busy = true
				c.busy++
				start = append(start, t)
			}
		}
	}
	return start
}

// done ends a call. The next one is due after a delay, also after a call that worked: a target that became a member is
// dropped or up by then.
func (c *caller) done(t *target, now time.Time) {
	t.busy = false
	c.busy--
	t.tries++
	t.next = now.Add(c.delay(t))
	if t.limit > 0 && t.tries >= t.limit && c.targets[t.key] == t {
		c.drop(t.key)
	}
}

// next is when the next call is due; zero: none is.
func (c *caller) next() time.Time {
	var first time.Time
	if c.busy >= maxCalls {
		return first // done comes first
	}
	for _, t := range c.targets {
		if c.waiting(t) && (first.IsZero() || t.next.Before(first)) {
			first = t.next
		}
	}
	return first
}

// found makes the seeds be called soon behind which this node was last: it is alive.
func (c *caller) found(id trust.Fingerprint, now time.Time) {
	for _, t := range c.targets {
		if soon := now.Add(c.jitter(c.timing.CallFirst, 0.5)); t.last == id && !t.up && t.next.After(soon) {
			t.next = soon
		}
	}
}

// retry makes all calls due soon: something changed in the underlay.
func (c *caller) retry(now time.Time) {
	for _, t := range c.targets {
		t.tries = 0
		t.next = now.Add(c.jitter(c.timing.CallFirst, 0.5))
	}
}

func (c *caller) waiting(t *target) bool { return !t.busy && (!t.up || t.self) }

func (c *caller) delay(t *target) time.Duration {
	switch {
	case t.idle:
		return c.jitter(c.timing.CallMax, 0.5)
	case t.tries <= fastCalls:
		return c.jitter(c.timing.CallFirst, 0.5)
	}
	d, limit := c.timing.CallFirst, c.longest()
	for i := fastCalls; i < t.tries && d < limit; i++ {
		d *= 2
	}
	return c.jitter(min(d, limit), 0.25)
}

// longest is the limit of the spacing now.
func (c *caller) longest() time.Duration {
	down := 0
	for _, t := range c.targets {
		if !t.up {
			down++
		}
	}
	return min(max(time.Duration(down)*callPerTarget, callFloor), c.timing.CallMax)
}

// jitter spreads d by a fraction to both sides.
func (c *caller) jitter(d time.Duration, fraction float64) time.Duration {
	return time.Duration(float64(d) * (1 + fraction*(2*c.random()-1)))
}
