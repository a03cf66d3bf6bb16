package between

import (
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/load"
)

// reply answers one request. Number 0 is the server's last word.
type reply struct {
	Number  uint32  `cbor:"1,keyasint"`
	Error   string  `cbor:"2,keyasint,omitempty"` // why it did not work
	Refused refusal `cbor:"3,keyasint,omitempty"` // in the last word, with Error
	Job     uint32  `cbor:"4,keyasint,omitempty"`
	Port    uint16  `cbor:"5,keyasint,omitempty"`
	Tally   *tally  `cbor:"6,keyasint,omitempty"`
}

func (r *reply) check() error {
	if err := checkTexts(maxText, r.Error); err != nil {
		return err
	}
	if r.Tally == nil {
		return nil
	}
	return r.Tally.check()
}

// tally is a load.Tally on the wire.
type tally struct {
	Connections uint64        `cbor:"1,keyasint,omitempty"`
	Bytes       uint64        `cbor:"2,keyasint,omitempty"`
	Datagrams   uint64        `cbor:"3,keyasint,omitempty"`
	Highest     uint64        `cbor:"4,keyasint,omitempty"`
	Duplicates  uint64        `cbor:"5,keyasint,omitempty"`
	Elapsed     time.Duration `cbor:"6,keyasint,omitempty"`
	LongestGap  time.Duration `cbor:"7,keyasint,omitempty"`
	Overflow    uint64        `cbor:"8,keyasint,omitempty"`
	Damaged     uint64        `cbor:"9,keyasint,omitempty"`
}

// A load.Tally with a new field does not compile here: the wire must learn it.
func newTally(t load.Tally) *tally { return (*tally)(&t) }

func (t *tally) load() load.Tally { return load.Tally(*t) }

func (t *tally) check() error {
	switch {
	case t.Elapsed < 0 || t.LongestGap < 0:
		return fmt.Errorf("%w: a tally with negative times", errFrame)
	case t.Duplicates > t.Datagrams:
		return fmt.Errorf("%w: a tally with more duplicates than datagrams", errFrame)
	}
	return nil
}
