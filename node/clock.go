package node

import "time"

// The wall clock enters weft at few places, which TestTheWallClockEntersOnlyWhereItDoesNoHarm lists. Everything that waits,
// measures or compares goes by the monotonic clock, which nobody can set.

// leastStep is what two clocks may drift apart without anybody having set one: NTP slews by 0.5 ms in a second at most.
const leastStep = 2 * time.Second

// clockWatch notices that the wall clock was set, or that the host slept.
type clockWatch struct{ last time.Time }

// stepped is how far the wall clock went beyond the monotonic one since last, which becomes now; 0: less than leastStep.
func (c *clockWatch) stepped(now time.Time) time.Duration {
	step := stepBetween(c.last, now)
	c.last = now
	return step
}

// stepBetween is how far the wall clock was set between two readings; 0 for times that carry no monotonic reading.
func stepBetween(earlier, later time.Time) time.Duration {
	return step(later.Round(0).Sub(earlier.Round(0)), later.Sub(earlier))
}

// step is the difference of what the wall clock and the monotonic one say has passed; 0 below leastStep.
func step(wall, monotonic time.Duration) time.Duration {
	if d := wall - monotonic; d.Abs() >= leastStep {
		return d
	}
	return 0
}

// shown is a time for people and for other processes, by the wall clock as it is now: t was read before somebody may have set
// it, and "3 minutes ago" shall be that.
func shown(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Round(0).Add(stepBetween(t, time.Now()))
}

// watchClock logs a step of the wall clock.
func (n *Node) watchClock() {
	if by := n.clock.stepped(time.Now()); by != 0 {
		n.log.Warn("node.clock.stepped", "by", by.Round(time.Millisecond))
	}
}
