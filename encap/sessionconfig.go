package encap

import (
	"io"
	"time"

	"github.com/weftnet/weft/trust"
)

// Indexes is told which keypair an incoming index stands for. The owner of the sessions implements it.
type Indexes interface {
	Bind(index uint32, k *Keypair)
	Release(index uint32)
}

// SessionConfig is what a Session is made of.
type SessionConfig struct {
	Local   *Local
	Peer    trust.PublicKeys
	Indexes Indexes
	Rand    io.Reader    // nil: Local's
	Stamp   func() Stamp // of initiations; must grow with every call

	RekeyAfter  time.Duration // age at which the initiator replaces a keypair; the responder waits an eighth longer. Default 2 min
	RejectAfter time.Duration // age at which a keypair is dropped. Default: half as long again, at least 10 s more
	Grace       time.Duration // how long a replaced keypair still opens frames. Default 30 s, which is two idle probes
	RekeyCount  uint64        // frames of one lane after which a keypair is replaced. Default 2^32
}

// defaultRekeyCount is a 256th of where the counter stops. At 1 million frames a second it comes after 71 minutes, so age is
// first by far.
const defaultRekeyCount = 1 << 32

// rejectAfter is the age at which keypairs are dropped that should have been replaced at another.
func rejectAfter(rekey time.Duration) time.Duration { return rekey + max(rekey/2, 10*time.Second) }

func (c SessionConfig) withDefaults() SessionConfig {
	if c.RekeyAfter == 0 {
		c.RekeyAfter = 2 * time.Minute
	}
	if c.RejectAfter == 0 {
		c.RejectAfter = rejectAfter(c.RekeyAfter)
	}
	if c.Grace == 0 {
		c.Grace = 30 * time.Second
	}
	if c.RekeyCount == 0 {
		c.RekeyCount = defaultRekeyCount
	}
	if c.Rand == nil {
		c.Rand = c.Local.random()
	}
	return c
}
