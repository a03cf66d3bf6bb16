package sim

import (
	"net/netip"
	"time"

	"github.com/weftnet/weft/mesh"
)

// port is where all nodes listen.
const port = 9338

// Config says what a World is. Nodes must be set.
type Config struct {
	Seed  uint64
	Nodes int  // that are made; none of them runs before Start
	Link  Link // of all pairs, until World.Link changes some. A Delay of 0 takes 25 ms

	// NAT is what is in front of a node; nil: nothing.
	NAT func(node int) NATKind
	// Subnet is how a node comes by its subnet; nil: static ones that do not overlap.
	Subnet func(node int) mesh.Subnet
	// Relay reports whether a node passes packets of others on; nil: all do.
	Relay func(node int) bool

	Rekey time.Duration // age at which keypairs are replaced; 0: 2 min
	Lines int           // how many of the last sends a Report shows; 0: 120
}

// network is the whole overlay of every World.
var network = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}

func (c Config) withDefaults() Config {
	if c.Link.Delay == 0 {
		c.Link.Delay = 25 * time.Millisecond
	}
	if c.NAT == nil {
		c.NAT = func(int) NATKind { return Open }
	}
	if c.Subnet == nil {
		c.Subnet = Static
	}
	if c.Relay == nil {
		c.Relay = func(int) bool { return true }
	}
	if c.Rekey == 0 {
		c.Rekey = 2 * time.Minute
	}
	if c.Lines == 0 {
		c.Lines = 120
	}
	return c
}

// Static is a subnet that is the node's own from its configuration.
func Static(node int) mesh.Subnet {
	at := netip.AddrFrom4([4]byte{10, byte(1 + node>>8), byte(node), 0})
	return mesh.Subnet{Kind: mesh.KindStatic, Prefixes: []netip.Prefix{netip.PrefixFrom(at, 24)}}
}

// Auto is a subnet that the node takes by itself, of 256 that there are for all.
func Auto(int) mesh.Subnet { return mesh.Subnet{Kind: mesh.KindAuto, Bits4: 16} }
