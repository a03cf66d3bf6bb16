package mesh

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/trust"
)

// A route may not be wider than these: it is for a site behind a node, and what is wider takes in underlays, name servers
// and half of the Internet along with it. IPv4's largest private block is a /8; no site was ever given more than an
// IPv6 /16.
const (
	widestRoute4 = 8
	widestRoute6 = 16
)

// special are the addresses that no packet between two hosts may carry as destination, or that mean this very host: they
// are neither routed nor called. A prefix that overlaps one of them is refused as a route, an endpoint in one left out.
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},     // RFC 1122, section 3.2.1.3
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},      // RFC 1122
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"}, // RFC 3927
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},     // RFC 5771
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},      // RFC 1112; the limited broadcast is in it
	{netip.MustParsePrefix("::/128"), "unspecified"},        // RFC 4291, section 2.5.2
	{netip.MustParsePrefix("::1/128"), "loopback"},          // RFC 4291, section 2.5.3
	{netip.MustParsePrefix("::/96"), "IPv4-compatible"},     // RFC 4291, section 2.5.5.1
	{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4-mapped"}, // RFC 4291, section 2.5.5.2
	{netip.MustParsePrefix("100::/64"), "discard-only"},     // RFC 6666; encap.RelayedEndpoint is in it
	{netip.MustParsePrefix("fe80::/10"), "link-local"},      // RFC 4291, section 2.5.6
	{netip.MustParsePrefix("ff00::/8"), "multicast"},        // RFC 4291, section 2.7
}

// Rules say which prefixes may be claimed at all. Reasons are clauses such as "it covers 192.0.2.1".
type Rules struct {
	Network []netip.Prefix
	Strict  bool // a claim may hold what its certificate allows, and nothing else
	// Forbidden says why claimer may not have a prefix, or "". nil: nothing is forbidden.
	Forbidden func(p netip.Prefix, claimer trust.Fingerprint) string
}

// refuseSubnet says why p may not be a subnet of claimer, or "".
func (r Rules) refuseSubnet(p netip.Prefix, claimer trust.Fingerprint) string {
	if slices.Contains(r.Network, p) {
		return "it is all of the network"
	}
	if !slices.ContainsFunc(r.Network, func(n netip.Prefix) bool { return covers(n, p) }) {
		return fmt.Sprintf("it is outside the network %v", r.Network)
	}
	return r.forbidden(p, claimer)
}

// refuseRoute says why p may not be a route of claimer, or "". A route takes packets away from wherever they went before:
// one over the underlay of a peer would cut the paths of everybody to it. It may lie inside the network, beside the subnets.
func (r Rules) refuseRoute(p netip.Prefix, claimer trust.Fingerprint) string {
	if why := refuseWide(p); why != "" {
		return why
	}
	for _, s := range special {
		if p.Overlaps(s.prefix) {
			return fmt.Sprintf("it overlaps %v (%s)", s.prefix, s.what)
		}
	}
	for _, n := range r.Network {
		if covers(p, n) {
			return fmt.Sprintf("it covers the network %v", n)
		}
	}
	return r.forbidden(p, claimer)
}

func refuseWide(p netip.Prefix) string {
	widest := widestRoute6
	if p.Addr().Is4() {
		widest = widestRoute4
	}
	switch {
	case p.Bits() == 0:
		return "it is a default route"
	case p.Bits() < widest:
		return fmt.Sprintf("it is wider than /%d and would take packets that are not meant for one site", widest)
	}
	return ""
}

func (r Rules) forbidden(p netip.Prefix, claimer trust.Fingerprint) string {
	if r.Forbidden == nil {
		return ""
	}
	return r.Forbidden(p, claimer)
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

// permitted splits the prefixes of a claim into those that may be used and those that are refused. What is claimed as a
// subnet is no route.
func (r Rules) permitted(c *Claim) (subnets, routes []netip.Prefix, refused []Conflict) {
	whole := r.refuseClaim(c)
	sift := func(list []netip.Prefix, why func(netip.Prefix, trust.Fingerprint) string, allows func(*trust.Certificate, netip.Prefix) bool) (allowed []netip.Prefix) {
		for _, p := range list {
			reason := whole
			if reason == "" {
				reason = why(p, c.id)
			}
			if reason == "" && r.Strict {
				reason = c.uncovered(p, allows)
			}
			if reason != "" {
				refused = append(refused, Conflict{Kind: ConflictRefused, Prefix: p, Loser: c.id, LoserName: c.Name, Reason: reason})
			} else if !slices.Contains(allowed, p) {
				allowed = append(allowed, p)
			}
		}
		return allowed
	}
	subnets = sift(c.Subnets, r.refuseSubnet, (*trust.Certificate).AllowsSubnet)
	routes = sift(c.Routes, r.refuseRoute, (*trust.Certificate).AllowsRoute)
	routes = slices.DeleteFunc(routes, func(p netip.Prefix) bool { return slices.Contains(c.Subnets, p) })
	return subnets, routes, refused
}

// covers reports whether inner lies in outer.
func covers(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Overlaps(inner)
}
