package tun

import (
	"errors"
	"fmt"
)

// Knob says whether an offload is used.
type Knob string

// KnobAuto, which "" means too: where the kernel can. KnobOn: Open fails where it cannot. KnobOff: not.
const (
	KnobAuto Knob = "auto"
	KnobOn   Knob = "on"
	KnobOff  Knob = "off"
)

// OffloadKnobs has one knob for each offload of Device.Offloads but the checksum, without which there is no other.
type OffloadKnobs struct {
	TSO, USO         Knob // superpackets of TCP and of UDP are read; else the kernel segments
	JoinTCP, JoinUDP Knob // superpackets of TCP and of UDP are written; else they are cut
}

var (
	errConfigured = errors.New("configured")
	errRequired   = errors.New("configured to be on")
)

func (k OffloadKnobs) validate() error {
	for name, knob := range k.all() {
		switch knob {
		case "", KnobAuto, KnobOn, KnobOff:
		default:
			return fmt.Errorf("tun: offload %s: %q is not one of auto, on, off", name, knob)
		}
	}
	return nil
}

// all has the knobs by the names of the offloads.
func (k OffloadKnobs) all() map[string]Knob {
	return map[string]Knob{offloadTSO: k.TSO, offloadUSO: k.USO, offloadJoinTCP: k.JoinTCP, offloadJoinUDP: k.JoinUDP}
}

// apply changes what a probe found to what is used. It returns an error that wraps errRequired when a knob is on and the
// kernel or the driver cannot.
func (k OffloadKnobs) apply(a abilities) (abilities, error) {
	var err error
	used := func(name string, knob Knob, can error) error {
		switch {
		case knob == KnobOff:
			return errConfigured
		case knob == KnobOn && can != nil && err == nil:
			err = fmt.Errorf("offload %s is %w, but: %w", name, errRequired, can)
		}
		return can
	}
	a.tso = used(offloadTSO, k.TSO, a.tso)
	a.uso = used(offloadUSO, k.USO, a.uso)
	a.joinTCP = used(offloadJoinTCP, k.JoinTCP, a.joinTCP)
	a.joinUDP = used(offloadJoinUDP, k.JoinUDP, a.joinUDP)
	return a, err
}
