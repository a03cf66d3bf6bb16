package impair

import (
	"fmt"
	"time"
)

const defaultHold = time.Millisecond

// Options say how bad the network is. The zero value lets everything pass.
type Options struct {
	Loss      float64       // share of the frames that never arrive, 0 to 1
	Duplicate float64       // share of those that do which arrive twice, 0 to 1
	Reorder   float64       // share of those that arrive later by Hold, so that others overtake them, 0 to 1
	Hold      time.Duration // 0: 1 ms
	Delay     time.Duration // of every frame
	Seed      uint64        // another seed, other frames
}

// withDefaults fills in what is not given and checks the rest.
func (o Options) withDefaults() (Options, error) {
	for name, share := range map[string]float64{"loss": o.Loss, "duplicate": o.Duplicate, "reorder": o.Reorder} {
		if !(share >= 0 && share <= 1) {
			return o, fmt.Errorf("impair: %s %v: want a share, 0 to 1", name, share)
		}
	}
	if o.Hold < 0 || o.Delay < 0 {
		return o, fmt.Errorf("impair: hold %v, delay %v: want no time or more", o.Hold, o.Delay)
	}
	if o.Hold == 0 {
		o.Hold = defaultHold
	}
	return o, nil
}
