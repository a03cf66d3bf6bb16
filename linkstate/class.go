package linkstate

import "time"

// RTTClass is a range of round trip times: class 0 is below 0.5 ms, and each further one goes up to twice as much. The last,
// MaxRTTClass, is everything from 1.024 s on.
type RTTClass uint8

// MaxRTTClass is the class of the longest round trips.
const MaxRTTClass RTTClass = 12

// LossClass is a range of shares of lost probes: none (below 0.1 %), below 1 %, 3 %, 10 %, 30 %, and more.
type LossClass uint8

// MaxLossClass is the class of the worst links.
const MaxLossClass LossClass = 5

// Cost is what a link of these classes costs in a path.
func Cost(rtt RTTClass, loss LossClass) time.Duration { return 0 }
