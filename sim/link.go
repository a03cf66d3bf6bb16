package sim

import "time"

// Link is how datagrams get from one node to another. The zero value carries all of them at once.
type Link struct {
	Delay     time.Duration // of all
	Jitter    time.Duration // up to so much more, drawn for each: with more than the spacing of datagrams they overtake each other
	Loss      float64       // share that gets lost
	Duplicate float64       // share that arrives twice
	Down      bool          // nothing arrives
}
