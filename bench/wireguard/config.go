// Package wireguard runs wireguard-go, the module that weft depends on anyway, as one of the subjects of the bench: a
// router in user space with a TUN device and a UDP socket of its own, in a process of its own.
//
// Always. It is the upstream device with upstream's defaults: nothing is tuned for or against it. Addresses and routes are
// not its business: who starts it sets them, as wg-quick does.
package wireguard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Command is the hidden command of weft that calls Run.
const Command = "bench-wireguard"

// Ready is the line that Run writes when the device is up.
const Ready = "ready"

const (
	maxName   = 15      // IFNAMSIZ less the zero, linux/if.h
	maxMTU    = 65535   // of a TUN device
	maxConfig = 1 << 20 // bytes, of the whole configuration
)

// Config is what Run reads from its standard input, as JSON.
type Config struct {
	Device string `json:"device"` // name of the TUN device to make
	MTU    int    `json:"mtu"`    // bytes
	UAPI   string `json:"uapi"`   // keys, port and peers as key=value lines: https://www.wireguard.com/xplatform/
}

// readConfig reads one Config and nothing more.
func readConfig(r io.Reader) (Config, error) {
	var c Config
	dec := json.NewDecoder(io.LimitReader(r, maxConfig))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("wireguard: read the configuration: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("wireguard: read the configuration: more follows than one JSON object")
	}
	return c, c.check()
}

func (c Config) check() error {
	switch {
	case c.Device == "" || len(c.Device) > maxName:
		return fmt.Errorf("wireguard: device %q: want a name of 1 to %d bytes", c.Device, maxName)
	case c.MTU < 1 || c.MTU > maxMTU:
		return fmt.Errorf("wireguard: MTU %d: want 1 to %d", c.MTU, maxMTU)
	case c.UAPI == "":
		return errors.New("wireguard: the configuration has no uapi lines, so no key")
	}
	return nil
}
