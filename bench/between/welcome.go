package between

import (
	"fmt"
	"time"
)

// refusal is why a server does not take a client, or ends its run. Numbers that are not known are shown with their text.
type refusal uint8

const (
	taken       refusal = iota // not refused
	refusedBusy                // another run is under way
	refusedTime                // the run took longer than the server allows
	refusedRate                // more arrived than the server allows
	refusedStop                // the server is being stopped
)

// welcome is the server's first message: its limits, or why it takes nobody.
type welcome struct {
	Weft      string        `cbor:"1,keyasint"`
	Node      string        `cbor:"2,keyasint,omitempty"`
	Refused   refusal       `cbor:"3,keyasint,omitempty"`
	Reason    string        `cbor:"4,keyasint,omitempty"` // for the user, when refused
	MaxTime   time.Duration `cbor:"5,keyasint"`           // of the whole run
	MaxWithin time.Duration `cbor:"6,keyasint"`           // of one job
	MaxRate   uint64        `cbor:"7,keyasint"`           // bit/s, of either direction; 0: unlimited
	Host      string        `cbor:"8,keyasint,omitempty"` // as in the hello
}

func (w *welcome) check() error {
	if w.MaxTime < 0 || w.MaxWithin < 0 {
		return fmt.Errorf("%w: negative limits", errFrame)
	}
	if err := checkTexts(maxText, w.Reason); err != nil {
		return err
	}
	return checkTexts(maxName, w.Weft, w.Node, w.Host)
}
