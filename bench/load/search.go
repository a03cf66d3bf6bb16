package load

// search looks for the highest rate that passes, between what has passed and what has not. It decides and does not send.
type search struct {
	low, high float64 // packets/s: has passed (0: nothing has), has not passed (0: nothing tried)
	failures  int     // one after the other, since nothing has passed
	over      bool
}

// steps are how far to go below a rate that did not pass, while nothing has passed. What arrives of too much is near what
// can pass, but a sender at full speed also takes the processor that the routers need: the highest rate that passes may lie
// on either side.
var steps = []float64{0.9, 0.75, 0.5}

// tell notes a trial and returns the next rate to try.
func (s *search) tell(t Trial, passed bool) (next float64) {
	switch {
	case passed && s.high == 0:
		s.over = true // the fastest there is has passed
		return 0
	case passed:
		s.low = max(s.low, t.Asked)
	case s.high == 0:
		s.high = t.Offered
		return min(max(t.Arrived, s.high/4), s.high*0.99)
	default:
		s.high = min(s.high, t.Asked)
		s.failures++
	}
	if s.low > 0 {
		s.over = s.high-s.low < 0.01*s.high
		return (s.low + s.high) / 2
	}
	return s.high * steps[min(s.failures, len(steps))-1]
}
