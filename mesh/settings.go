package mesh

import (
	"net/netip"
	"slices"
	"time"
)

// Settings are the part of Config that may change while a Mesh runs. The fields mean what they mean there.
type Settings struct {
	Subnet    Subnet
	Bootstrap bool
	Routes    []netip.Prefix
	Seeds     []string
	Lease     time.Duration
}

// Set makes s the settings in force. It is declarative and idempotent: s is the whole of them, and what is as before stays
// untouched, calls under way too. A changed subnet or route makes a new claim; a subnet that was chosen automatically
// stays where it still fits. An error says that s cannot be; nothing has changed then. It may be called before Run.
func (m *Mesh) Set(s Settings) error {
	s, err := m.check(s)
	if err != nil {
		return err
	}
	m.mail.post(func(o *owner) { o.adopt(s, time.Now()) })
	return nil
}

// Check says why s cannot be set, or nil.
func (m *Mesh) Check(s Settings) error {
	_, err := m.check(s)
	return err
}

// check is s with its defaults, if a Mesh with these settings would start.
func (m *Mesh) check(s Settings) (Settings, error) {
	c := Config{
		Identity: m.cfg.Identity, Underlay: m.cfg.Underlay, Name: m.cfg.Name, Network: m.cfg.Network, Port: m.cfg.Port, Admission: m.cfg.Admission,
		Subnet: s.Subnet, Bootstrap: s.Bootstrap, Routes: s.Routes, Seeds: s.Seeds, Lease: s.Lease,
	}
	if err := c.check(); err != nil {
		return s, err
	}
	c = c.withDefaults()
	s.Subnet, s.Lease = c.Subnet, c.Lease
	return s, c.checkDefaulted()
}

// adopt brings checked settings into force.
func (o *owner) adopt(s Settings, now time.Time) {
	o.adoptSeeds(s.Seeds, now)
	held := !slices.Equal(s.Routes, o.cfg.Routes) || !s.Subnet.equal(o.cfg.Subnet)
	o.cfg.Subnet, o.cfg.Bootstrap, o.cfg.Routes, o.cfg.Lease = s.Subnet, s.Bootstrap, s.Routes, s.Lease
	if held {
		o.self.hold(o.rules())
	}
	o.changed = true
}

// adoptSeeds calls new seeds at once, and no longer those that are gone. Nodes that were met through a seed stay members.
func (o *owner) adoptSeeds(seeds []string, now time.Time) {
	for _, s := range o.cfg.Seeds {
		if !slices.Contains(seeds, s) {
			o.caller.drop(targetKey{seed: s})
		}
	}
	for _, s := range seeds {
		o.caller.want(targetKey{seed: s}, now)
	}
	o.cfg.Seeds, o.seedsChanged = seeds, true
}

// hold starts anew from changed settings: what others kept of our former holdings counts no longer, and an automatic
// subnet that does not fit them is given up.
func (s *selfClaim) hold(rules Rules) {
	s.adopted, s.full = time.Time{}, netip.Prefix{}
	if s.cfg.Subnet.Kind != KindAuto || !s.fits(s.subnets, rules) {
		s.subnets, s.settle = nil, time.Time{}
	}
}

func (s Subnet) equal(o Subnet) bool {
	return s.Kind == o.Kind && slices.Equal(s.Prefixes, o.Prefixes) && s.Bits4 == o.Bits4 && s.Bits6 == o.Bits6
}
