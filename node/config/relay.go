package config

import "fmt"

// Relay is what a node makes of relays: nodes that pass on packets between others which do not reach each other.
type Relay string

// The values of the key relay.
const (
	RelayAllow  Relay = "allow"  // it passes packets of others on, and has its own passed on where it must
	RelayRefuse Relay = "refuse" // it passes none on
	RelayPrefer Relay = "prefer" // it passes them on, and sends its own straight only where no relay gets them there
)

var relays = []Relay{RelayAllow, RelayRefuse, RelayPrefer}

func setRelay(c *Config, v []string) error {
	switch r := Relay(v[0]); r {
	case RelayAllow, RelayRefuse, RelayPrefer:
		c.Relay = r
		return nil
	}
	return fmt.Errorf("%q is not allow, refuse or prefer", v[0])
}
