package mesh

import (
	"net/netip"
	"slices"
	"time"
)

// reclaimAfter is how long a node must have been away before its automatic subnet may be taken by another that finds no free one:
// longer than a restart, an upgrade or a walk to the machine takes.
const reclaimAfter = 10 * time.Minute

// reclaim makes room where the network is full: of the nodes that are away, and whose subnet was automatic, the one that is so for the
// longest time is forgotten, everywhere and with a warning. One at a time: the next look finds whether that was enough.
func (o *owner) reclaim(now time.Time) {
	if !o.self.full.IsValid() || !o.incumbent || o.together.IsZero() || now.Sub(o.together) < company {
		return
	}
	c := o.longestDead(now)
	if c == nil {
		return
	}
	o.log.Warn("mesh.subnet.reclaimed", "name", c.Name, "id", c.id.Short(), "subnets", c.Subnets, "away", o.members[c.id].deadFor(now).Round(time.Second))
	if err := o.forget(c.id, now); err != nil {
		o.log.Error("mesh.claim.failed", "error", err)
	}
}

// longestDead is the claim to reclaim; nil: there is none.
func (o *owner) longestDead(now time.Time) (longest *Claim) {
	since := reclaimAfter
	for _, c := range o.admitted() {
		m := o.members[c.id]
		if c.Kind != KindAuto || m == nil || o.present(c.id) || m.deadFor(now) < since {
			continue
		}
		if slices.ContainsFunc(c.Subnets, o.self.fitsInto) {
			longest, since = c, m.deadFor(now)
		}
	}
	return longest
}

// fitsInto reports whether a subnet of ours would fit into p, in the network where none is free.
func (s *selfClaim) fitsInto(p netip.Prefix) bool {
	own := s.cfg.Admission.Own()
	return covers(s.full, p) && p.Bits() <= s.cfg.Subnet.bits(p.Addr()) && (own == nil || own.AllowsSubnet(p))
}
