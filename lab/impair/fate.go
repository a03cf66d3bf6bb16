package impair

import (
	"math/rand/v2"
	"time"
)

// fate is what becomes of one frame.
type fate struct {
	copies int           // that arrive: 0, 1 or 2
	held   bool          // later than its neighbours
	after  time.Duration // each copy
}

// dice decide the fates of the frames of one way. One goroutine uses them.
type dice struct {
	options Options
	random  *rand.Rand
}

// newDice makes the dice of a way; the two ways of a relay have different ones.
func newDice(o Options, way uint64) *dice {
	return &dice{options: o, random: rand.New(rand.NewPCG(o.Seed, way))}
}

// roll decides. It takes the same number of random numbers for each frame, so that one share does not change what the others do.
func (d *dice) roll() fate {
	lost, doubled, held := d.hits(d.options.Loss), d.hits(d.options.Duplicate), d.hits(d.options.Reorder)
	if lost {
		return fate{}
	}
	f := fate{copies: 1, held: held, after: d.options.Delay}
	if doubled {
		f.copies = 2
	}
	if held {
		f.after += d.options.Hold
	}
	return f
}

func (d *dice) hits(share float64) bool { return d.random.Float64() < share }
