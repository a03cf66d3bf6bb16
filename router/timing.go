package router

import (
	"cmp"
	"time"

	"github.com/weftnet/weft/router/alive"
)

// Timing are the periods of the probes and calls. The zero value of a field takes the default.
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
	Rekey   time.Duration // age of a keypair at which it is replaced

	RekeyCount uint64 // frames that went in one lane under a keypair, at which it is replaced as well; 0: encap's default
}

// SetRekey sets the age at which keypairs are replaced, of all peers. It may be called from any goroutine.
func (r *Router) SetRekey(age time.Duration) {
	_ = r.call(func() { // a router that has stopped replaces none
		r.timing.Rekey = age
		for _, p := range r.peers {
			p.session.SetRekeyAfter(age)
		}
	})
}

func (t Timing) withDefaults() Timing {
	a := t.alive().WithDefaults()
	return Timing{
		Busy: a.Busy, Idle: a.Idle, Answer: a.Answer, Burst: a.Burst, Gap: a.Gap, Hasty: a.Hasty, HastyAnswer: a.HastyAnswer,
		CallMin: a.CallMin, CallMax: a.CallMax, Rekey: cmp.Or(t.Rekey, 2*time.Minute), RekeyCount: t.RekeyCount,
	}
}

// alive is the part of t that links go by.
func (t Timing) alive() alive.Timing {
	return alive.Timing{
		Busy: t.Busy, Idle: t.Idle, Answer: t.Answer, Burst: t.Burst, Gap: t.Gap, Hasty: t.Hasty, HastyAnswer: t.HastyAnswer,
		CallMin: t.CallMin, CallMax: t.CallMax,
	}
}
