package config

import (
	"fmt"
	"time"

	"github.com/weftnet/weft/mesh"
)

// How long the claim of a node that is away may be kept. A minute is for tests; a year is for ever.
const (
	minLease = time.Minute
	maxLease = 365 * 24 * time.Hour
)

func setLease(c *Config, v []string) error {
	lease, err := time.ParseDuration(v[0])
	if err != nil || lease < minLease || lease > maxLease {
		return fmt.Errorf("%q is not a duration from %s to %s, such as %s", v[0], durationText(minLease), durationText(maxLease), durationText(mesh.DefaultLease))
	}
	c.Lease = lease
	return nil
}
