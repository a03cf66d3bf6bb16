package alive

import "time"

// Timing are the periods of the probes and calls of a Link. The zero value of a field takes the default.
type Timing struct {
	Busy   time.Duration // probe period of a path that carries traffic
	Idle   time.Duration // probe period of a path that does not
	Answer time.Duration // how long an answer may take before the probe counts as missed
	Burst  int           // probes after the first miss
	Gap    time.Duration // between the probes of a burst

	Hasty       int           // probes of a burst after which a path is left for another that stands ready
	HastyAnswer time.Duration // Answer where another path stands ready; three round trips, if that is more

	CallMin time.Duration // first pause between calls of a peer that does not answer; doubles
	CallMax time.Duration // last pause, at most
}

// WithDefaults is t with all fields set.
func (t Timing) WithDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Busy, 500*time.Millisecond)
	set(&t.Idle, 15*time.Second)
	set(&t.Answer, 500*time.Millisecond)
	set(&t.Gap, 100*time.Millisecond)
	set(&t.HastyAnswer, 200*time.Millisecond)
	set(&t.CallMin, 250*time.Millisecond)
	set(&t.CallMax, 5*time.Second)
	if t.Burst == 0 {
		t.Burst = 8
	}
	if t.Hasty == 0 {
		t.Hasty = 4
	}
	return t
}
