package encap

// FeatureState says whether a feature is in use.
type FeatureState string

// The states of a feature.
const (
	FeatureOn          FeatureState = "on"
	FeatureOff         FeatureState = "off"         // its knob is off
	FeatureUnavailable FeatureState = "unavailable" // the kernel does not give it
)

// Feature is one thing that a port can do.
type Feature struct {
	Name   string       `json:"name"`
	State  FeatureState `json:"state"`
	Reason string       `json:"reason,omitempty"` // why it is not on
}
