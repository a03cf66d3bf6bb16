package router

import (
	"cmp"
	"time"

	"github.com/weftnet/weft/router/alive"
)

// Timing are the periods of the probes and calls, and of the replacement of keys. The zero value of a field takes the default.
type Timing struct {
	alive.Timing

	Rekey      time.Duration // age of a keypair at which it is replaced
	RekeyCount uint64        // frames that went in one lane under a keypair, at which it is replaced as well; 0: encap's default
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
	return Timing{Timing: t.WithDefaults(), Rekey: cmp.Or(t.Rekey, 2*time.Minute), RekeyCount: t.RekeyCount}
}
