package encap

import "fmt"

// Knob says whether a port uses what the kernel may offer. The zero value is KnobAuto.
type Knob string

// The positions of a knob.
const (
	KnobAuto Knob = "auto" // use it where it is to be had
	KnobOn   Knob = "on"   // it is an error if it is not to be had
	KnobOff  Knob = "off"
)

// check refuses what is no position of a knob.
func (k Knob) check(name string) error {
	switch k {
	case "", KnobAuto, KnobOn, KnobOff:
		return nil
	default:
		return fmt.Errorf("encap: %s is %q: it may be auto, on or off", name, k)
	}
}
