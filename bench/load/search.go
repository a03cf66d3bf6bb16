package load

import "math"

// verdict says how a trial went.
type verdict int

const (
	failing verdict = iota // too much was lost
	narrow                 // too much, but little more: it may have been bad luck
	passed
)

// verdictOf judges a trial. One that sent nothing has failed.
func verdictOf(t Trial, maxLoss float64) verdict {
	switch {
	case t.Sent > 0 && t.Loss < maxLoss:
		return passed
	case t.Sent > 0 && t.Loss < narrowLoss*maxLoss:
		return narrow
	}
	return failing
}

// search looks for the highest rate that passes, between what has passed and what has not. It decides and does not send.
type search struct {
	low, high float64 // packets/s: was sent and passed (0: nothing has), has not passed (0: nothing tried)
	failures  int     // one after the other, since nothing has passed
	repeating bool    // the next trial is one that failed narrowly, once more
	over      bool
}

// unbounded reports that all that the sender can has passed.
func (s *search) unbounded() bool { return s.over && s.high == 0 }

// steps are how far to go at least below a rate that did not pass, while nothing has passed. What arrives of too much is
// tried first: it is what a limited link carries. A router at its limit may carry more than that, since a sender at full
// speed takes the processor that it needs: between gives the search a way up again.
var steps = []float64{0.9, 0.75, 0.5}

// tell notes a trial and returns the next rate to try. What a sender did not reach has not passed: low is what was sent.
func (s *search) tell(t Trial, v verdict) (next float64) {
	if v == narrow && !s.repeating {
		s.repeating = true
		return t.Asked
	}
	s.repeating = false
	switch {
	case v == passed && s.high == 0:
		s.over = true // the fastest there is has passed
		return 0
	case v == passed:
		s.low = max(s.low, sentOf(t))
	case s.high == 0:
		s.high = t.Offered
		return s.below(t, 0.99)
	default:
		s.high = min(s.high, t.Asked)
		s.failures++
	}
	if s.low > 0 {
		s.over = s.high-s.low < 0.01*s.high
		return s.between()
	}
	return s.below(t, steps[min(s.failures, len(steps))-1])
}

// below is what arrived of a trial that did not pass, but at most that share of the lowest rate that did not. Where nothing
// arrived, it is a quarter.
func (s *search) below(t Trial, share float64) float64 {
	if t.Arrived <= 0 {
		return s.high / 4
	}
	return min(t.Arrived, s.high*share)
}

// between is the middle of what passed and what did not; far apart, that of their orders of magnitude.
func (s *search) between() float64 {
	if s.high > 2*s.low {
		return math.Sqrt(s.low * s.high)
	}
	return (s.low + s.high) / 2
}

// sentOf is the rate that a trial really had.
func sentOf(t Trial) float64 {
	if t.Asked == 0 {
		return t.Offered
	}
	return min(t.Asked, t.Offered)
}
