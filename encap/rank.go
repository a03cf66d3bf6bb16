package encap

import (
	"bytes"

	"github.com/weftnet/weft/trust"
)

// rank orders the keypairs of one session alike at both ends, so that simultaneous handshakes settle on one: the
// responder gives each keypair a generation higher than all that either end knew of when it answered; of two with the
// same generation, which both ends made at once, that of the initiator with the smaller fingerprint is higher.
type rank struct {
	generation uint64
	initiator  trust.Fingerprint
}

func (r rank) less(o rank) bool {
	if r.generation != o.generation {
		return r.generation < o.generation
	}
	return bytes.Compare(r.initiator[:], o.initiator[:]) > 0
}

// nextGeneration is above both; it stays where it cannot grow.
func nextGeneration(a, b uint64) uint64 {
	if g := max(a, b); g+1 > g {
		return g + 1
	}
	return max(a, b)
}
