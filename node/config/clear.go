package config

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/mesh"
)

// clearRisk is what somebody on the path can do where packets travel in clear.
const clearRisk = "whoever is on the path can then read and alter all inner traffic, and inject packets with any inner source that the peer may use"

// clearRemedy is how to have it otherwise, or so all the same.
const clearRemedy = "set encryption: on, or use private addresses (advertise, join), or clear_on_public: true if that is meant"

// unrouted are the prefixes that no router of the Internet carries, besides those that package netip knows: an address in them is
// of this site, or of nobody (IANA's registries of special-purpose addresses, RFC 6890). What is not here counts as public.
var unrouted = []netip.Prefix{
	thisHost,
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by the customers of one carrier, RFC 6598
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation, RFC 5737
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks, RFC 2544
	netip.MustParsePrefix("198.51.100.0/24"), // documentation, RFC 5737
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation, RFC 5737
	netip.MustParsePrefix("2001:2::/48"),     // benchmarks, RFC 5180
	netip.MustParsePrefix("2001:db8::/32"),   // documentation, RFC 3849
	netip.MustParsePrefix("3fff::/20"),       // documentation, RFC 9637
}

// Public reports whether packets to an address may cross the networks of others. Private are loopback, link-local, RFC 1918,
// RFC 4193, and what is unrouted; multicast and the unspecified address are no endpoints, and not public either.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(unrouted, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) })
}

// BarsClear says why no packets may travel to and from an underlay address; "": they may, or they are sealed.
func (c *Config) BarsClear(a netip.Addr) string {
	if c.Encryption || c.ClearOnPublic || !Public(a) {
		return ""
	}
	return "encryption is off and its address is public: " + clearRisk + "; " + clearRemedy
}

// ClearForced says what it means that packets travel in clear to public addresses too; "": they do not.
func (c *Config) ClearForced() string {
	if c.Encryption || !c.ClearOnPublic {
		return ""
	}
	return "encryption is off, to public addresses too (clear_on_public): " + clearRisk + "; set encryption: on on all nodes, or clear_on_public: false"
}

// checkClear refuses public addresses in the configuration where packets travel in clear.
func (c *Config) checkClear() error {
	if at, err := netip.ParseAddrPort(c.Listen); err == nil {
		if err := c.ClearError("listen", at.Addr(), "is a public address"); err != nil {
			return err
		}
	}
	for _, a := range c.Advertise {
		if err := c.ClearError("advertise", a, "is a public address"); err != nil {
			return err
		}
	}
	for _, seed := range c.Join {
		host, _, err := mesh.SplitSeed(seed, DefaultPort)
		if err != nil {
			continue // checkUnderlay says so
		}
		if a, err := netip.ParseAddr(host); err == nil {
			if err := c.ClearError("join", a, "is a public address"); err != nil {
				return err
			}
		}
	}
	return nil
}

// ClearError is the refusal of an address to which packets would travel in clear; nil: they may, or they are sealed. what says of
// the address what it is.
func (c *Config) ClearError(key string, a netip.Addr, what string) error {
	if c.BarsClear(a) == "" {
		return nil
	}
	return KeyErrorf(key, "%s %s, and encryption is off: %s (%s)", a, what, clearRisk, clearRemedy)
}
