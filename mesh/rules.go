package mesh

import (
	"fmt"
	"net/netip"
	"slices"
)

// Rules say which prefixes may be claimed at all.
type Rules struct {
	Network   []netip.Prefix
	Forbidden func(netip.Prefix) string // why not, or ""; nil: nothing is forbidden
}

// refuseSubnet says why p may not be a subnet, or "".
func (r Rules) refuseSubnet(p netip.Prefix) string {
	if slices.Contains(r.Network, p) {
		return "is all of the network"
	}
	if !slices.ContainsFunc(r.Network, func(n netip.Prefix) bool { return covers(n, p) }) {
		return fmt.Sprintf("is outside the network %v", r.Network)
	}
	return r.forbidden(p)
}

// refuseRoute says why p may not be a route, or "".
func (r Rules) refuseRoute(p netip.Prefix) string {
	if slices.ContainsFunc(r.Network, func(n netip.Prefix) bool { return covers(p, n) }) {
		return "covers all of the network"
	}
	return r.forbidden(p)
}

func (r Rules) forbidden(p netip.Prefix) string {
	if r.Forbidden == nil {
		return ""
	}
	return r.Forbidden(p)
}

// refuseClaim says why nothing of a claim can be used, or "".
func (r Rules) refuseClaim(c *Claim) string {
	if len(c.Network) != len(r.Network) {
		return r.otherNetwork(c)
	}
	for _, n := range c.Network {
		if !slices.Contains(r.Network, n) {
			return r.otherNetwork(c)
		}
	}
	return ""
}

func (r Rules) otherNetwork(c *Claim) string {
	return fmt.Sprintf("its network is %v, ours is %v", c.Network, r.Network)
}

// permitted splits the prefixes of a claim into those that may be used and those that are refused.
func (r Rules) permitted(c *Claim) (allowed []netip.Prefix, refused []Conflict) {
	whole := r.refuseClaim(c)
	sift := func(list []netip.Prefix, why func(netip.Prefix) string) {
		for _, p := range list {
			reason := whole
			if reason == "" {
				reason = why(p)
			}
			if reason != "" {
				refused = append(refused, Conflict{Kind: ConflictRefused, Prefix: p, Loser: c.id, LoserName: c.Name, Reason: reason})
			} else if !slices.Contains(allowed, p) {
				allowed = append(allowed, p)
			}
		}
	}
	sift(c.Subnets, r.refuseSubnet)
	sift(c.Routes, r.refuseRoute)
	return allowed, refused
}

// covers reports whether inner lies in outer.
func covers(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Overlaps(inner)
}
