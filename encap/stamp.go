package encap

import "sync/atomic"

// Stamp orders all initiations that one node ever makes. Epoch grows with every start of the node and does not follow
// the clock back; Seq grows within one.
type Stamp struct {
	Epoch uint64 `cbor:"1,keyasint"`
	Seq   uint64 `cbor:"2,keyasint"`
}

// Less reports whether s was made before o.
func (s Stamp) Less(o Stamp) bool {
	return s.Epoch < o.Epoch || s.Epoch == o.Epoch && s.Seq < o.Seq
}

// Stamps returns the source of the stamps of one run of a node: epoch is greater than that of every run before.
// It may be called from any goroutine.
func Stamps(epoch uint64) func() Stamp {
	var seq atomic.Uint64
	return func() Stamp { return Stamp{Epoch: epoch, Seq: seq.Add(1)} }
}
