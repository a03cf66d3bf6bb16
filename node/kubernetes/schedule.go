package kubernetes

import "time"

// How long after a question the next one is asked, before jitter.
const (
	leastWait   = 500 * time.Millisecond // after the first failure; each further one doubles it
	mostWaiting = 5 * time.Second        // while the node has no subnet: pods wait for it
	mostKnowing = time.Minute            // while what was known before is in force
	settledWait = 2 * time.Minute        // after an answer: podCIDRs hardly ever change
)

// schedule says when to ask again. It is pure: randomness comes in.
type schedule struct {
	failures int // one after the other
}

// next is how long to wait after a question. failed says how it went, known whether the node has podCIDRs all the same. spread is
// random, from 0 to 1: the wait is between three and five quarters of what it would be, so that nodes which lost a server do not
// come back all at once.
func (s *schedule) next(failed, known bool, spread float64) time.Duration {
	wait := settledWait
	if failed {
		wait = s.backoff(known)
	} else {
		s.failures = 0
	}
	return wait*3/4 + time.Duration(float64(wait)/2*spread)
}

func (s *schedule) backoff(known bool) time.Duration {
	most := mostWaiting
	if known {
		most = mostKnowing
	}
	s.failures = min(s.failures+1, 16)
	return min(leastWait<<(s.failures-1), most)
}
