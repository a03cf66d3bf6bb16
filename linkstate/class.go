package linkstate

import (
	"fmt"
	"time"
)

// RTTClass is a range of round trip times: class 0 is below 0.5 ms, and each further one goes up to twice as much. The last,
// MaxRTTClass, is everything from 1.024 s on.
type RTTClass uint8

// MaxRTTClass is the class of the longest round trips.
const MaxRTTClass RTTClass = 12

// LossClass is a range of shares of lost probes: none (below 0.1 %), below 1 %, 3 %, 10 %, 30 %, and more.
type LossClass uint8

// MaxLossClass is the class of the worst links.
const MaxLossClass LossClass = 5

const (
	leastRTT   = 500 * time.Microsecond // upper end of class 0
	unknownRTT = 100 * time.Millisecond // of a link that was not measured yet: so that a measured one is preferred, at most distances

	// hysteresis is by how much a measurement must be beyond the end of its class before the class changes: smoothed round trips
	// of a quiet path vary by less.
	hysteresis = 1.25

	// trifle is by how much less the costs of two qualities differ than anybody moves packets for. A way has up to MaxRelays+1 links, which
	// count up to 8/5 each for the relays, and of the costs that are less than a trifle apart the most distant are 0.75 ms apart (1 to 2 ms
	// and 2 to 4 ms): so all of them together are half of betterBy.
	trifle = betterBy / 10

	// lossPrice is what a packet costs that is lost: the least time after which TCP sends it again where nothing follows
	// (RFC 6298, section 2.4).
	lossPrice = time.Second
)

// lossEnds are the upper ends of the loss classes but the last.
var lossEnds = [MaxLossClass]float64{0.001, 0.01, 0.03, 0.10, 0.30}

// lossMiddles are what the classes count as: none, the middle of their ranges, and 65 % for the last.
var lossMiddles = [MaxLossClass + 1]float64{0, 0.005, 0.02, 0.065, 0.20, 0.65}

// end is the upper end of the class; the last one has none.
func (c RTTClass) end() time.Duration { return leastRTT << c }

// Range is what round trips of the class take, from and below; to is 0 for the last, which has no end.
func (c RTTClass) Range() (from, to time.Duration) {
	switch {
	case c == 0:
		return 0, leastRTT
	case c >= MaxRTTClass:
		return (MaxRTTClass - 1).end(), 0
	}
	return (c - 1).end(), c.end()
}

// Middle is the round trip time that the class counts as: the middle of its range, and 1.5 s for the last.
func (c RTTClass) Middle() time.Duration {
	if c == 0 {
		return leastRTT / 2
	}
	return min(c, MaxRTTClass).end() / 4 * 3
}

// String is the range, such as "4-8 ms".
func (c RTTClass) String() string {
	switch {
	case c == 0:
		return "<0.5 ms"
	case c >= MaxRTTClass:
		return ">1 s"
	}
	return fmt.Sprintf("%g-%g ms", milliseconds((c - 1).end()), milliseconds(c.end()))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// String is the range, such as "1-3 %".
func (c LossClass) String() string {
	switch {
	case c == 0:
		return "0 %"
	case c >= MaxLossClass:
		return fmt.Sprintf(">=%g %%", 100*lossEnds[MaxLossClass-1])
	case c == 1:
		return fmt.Sprintf("<%g %%", 100*lossEnds[1])
	}
	return fmt.Sprintf("%g-%g %%", 100*lossEnds[c-1], 100*lossEnds[c])
}

// quality is how good a link is.
type quality struct {
	rtt  RTTClass
	loss LossClass
}

// worse is the worse of both in each respect.
func (q quality) worse(o quality) quality { return quality{max(q.rtt, o.rtt), max(q.loss, o.loss)} }

// like reports whether nobody's choice of a path depends on which of both a link has.
func (q quality) like(o quality) bool { return (q.cost() - o.cost()).Abs() < trifle }

// cost is Cost.
func (q quality) cost() time.Duration { return Cost(q.rtt, q.loss) }

// Cost is what a link of these classes costs in a path: the way in one direction, half of the round trip, and what its losses cost.
func Cost(rtt RTTClass, loss LossClass) time.Duration {
	return rtt.Middle()/2 + time.Duration(lossMiddles[min(loss, MaxLossClass)]*float64(lossPrice))
}

// rttClass is the class of a measurement, which was in class before as far as it is known. 0: there is none, and it stays so.
func rttClass(rtt time.Duration, before RTTClass, known bool) RTTClass {
	switch {
	case rtt <= 0 && known:
		return before
	case rtt <= 0:
		rtt = unknownRTT
	}
	class := RTTClass(0)
	for class < MaxRTTClass && rtt >= class.end() {
		class++
	}
	switch {
	case !known:
		return class
	case class > before && float64(rtt) < hysteresis*float64((class-1).end()):
		return class - 1 // at least before
	case class < before && float64(rtt) > float64(class.end())/hysteresis:
		return class + 1
	}
	return class
}

// lossClass is likewise the class of a share of losses.
func lossClass(loss float64, before LossClass, known bool) LossClass {
	class := LossClass(0)
	for class < MaxLossClass && loss >= lossEnds[class] {
		class++
	}
	switch {
	case !known:
		return class
	case class > before && loss < hysteresis*lossEnds[class-1]:
		return class - 1
	case class < before && loss > lossEnds[class]/hysteresis:
		return class + 1
	}
	return class
}
