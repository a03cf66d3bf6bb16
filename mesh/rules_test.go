package mesh

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/trust"
)

func prefixes(text ...string) (out []netip.Prefix) {
	for _, p := range text {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// underlayRules forbid to cover the underlay address of node 1, unless it is node 1 that claims.
func underlayRules(network ...string) Rules {
	return Rules{Network: prefixes(network...), Forbidden: func(p netip.Prefix, claimer trust.Fingerprint) string {
		if p.Contains(addrOf(1)) && claimer != testIdentity("node1").Fingerprint() {
			return "it covers 192.0.2.1, an endpoint of node-1"
		}
		return ""
	}}
}

// wantRefused checks that a claim of one prefix is refused, and why.
func wantRefused(t *testing.T, rules Rules, content Claim, reason string) {
	t.Helper()
	content.Name, content.Kind, content.Since = "a", KindStatic, lawsNow
	if content.Network == nil {
		content.Network = rules.Network
	}
	c := mustSign(t, "a", content)
	previous := Assignment{slices.Concat(c.Subnets, c.Routes)[0]: c.id}
	for _, before := range []Assignment{nil, previous} {
		got, conflicts := Assign(before, []*Claim{c}, rules, everybody)
		if len(got) != 0 || len(conflicts) != 1 || conflicts[0].Kind != ConflictRefused || !strings.Contains(conflicts[0].Reason, reason) {
			t.Errorf("%v %v: assignment %v, conflicts %v, want refused: %s", c.Subnets, c.Routes, got, conflicts, reason)
		}
	}
}

func TestASubnetThatNobodyMayOwnIsRefusedWithTheReason(t *testing.T) {
	rules := underlayRules("10.244.0.0/16", "192.0.0.0/16")
	for prefix, reason := range map[string]string{
		"10.245.1.0/24": "it is outside the network",
		"10.0.0.0/8":    "it is outside the network",
		"0.0.0.0/0":     "it is outside the network",
		"127.0.0.0/8":   "it is outside the network",
		"10.244.0.0/16": "it is all of the network",
		"192.0.2.0/24":  "it covers 192.0.2.1",
	} {
		wantRefused(t, rules, Claim{Subnets: prefixes(prefix)}, reason)
	}
	wantRefused(t, rules, Claim{Subnets: prefixes("10.244.1.0/24"), Network: prefixes("10.0.0.0/8")},
		"its network is [10.0.0.0/8], ours is [10.244.0.0/16 192.0.0.0/16]")
}

func TestAHostileRouteIsRefusedWithTheReason(t *testing.T) {
	rules := underlayRules("10.244.0.0/16", "fd00:244::/48")
	for prefix, reason := range map[string]string{
		"0.0.0.0/0":          "default route",
		"::/0":               "default route",
		"0.0.0.0/1":          "wider than /8",
		"128.0.0.0/1":        "wider than /8",
		"192.0.0.0/7":        "wider than /8",
		"2000::/3":           "wider than /16",
		"2000::/15":          "wider than /16",
		"0.0.0.0/8":          "unspecified",
		"0.1.2.0/24":         "unspecified",
		"127.0.0.0/8":        "loopback",
		"127.0.0.53/32":      "loopback",
		"169.254.0.0/16":     "link-local",
		"169.254.169.254/32": "link-local",
		"169.0.0.0/8":        "link-local",
		"224.0.0.0/8":        "multicast",
		"239.1.2.3/32":       "multicast",
		"240.0.0.0/8":        "reserved",
		"255.255.255.255/32": "reserved",
		"::/128":             "unspecified",
		"::1/128":            "loopback",
		"::7f00:1/128":       "IPv4-compatible",
		"::/64":              "unspecified",
		"fe80::/16":          "link-local",
		"febf::1/128":        "link-local",
		"ff00::/16":          "multicast",
		"ff02::1/128":        "multicast",
		"10.0.0.0/8":         "covers the network",
		"10.244.0.0/16":      "covers the network",
		"fd00::/16":          "covers the network",
		"fd00:244::/48":      "covers the network",
		"192.0.0.0/8":        "it covers 192.0.2.1",
		"192.0.2.0/24":       "it covers 192.0.2.1",
		"192.0.2.1/32":       "it covers 192.0.2.1",
	} {
		wantRefused(t, rules, Claim{Routes: prefixes(prefix)}, reason)
	}
	if why := rules.refuseRoute(netip.MustParsePrefix("::ffff:192.0.2.0/120"), trust.Fingerprint{}); !strings.Contains(why, "IPv4-mapped") {
		t.Errorf("an IPv4-mapped route: %q", why) // no claim with one decodes
	}
}

func TestAnHonestRouteIsAllowed(t *testing.T) {
	rules := underlayRules("10.244.0.0/16", "fd00:244::/48")
	for _, p := range prefixes("11.0.0.0/8", "172.16.0.0/12", "192.168.7.0/24", "198.51.100.9/32", "2001::/16", "2001:db8::/32", "fd01::/48",
		"10.244.7.0/24", "fd00:244:0:1::/64") {
		if why := rules.refuseRoute(p, trust.Fingerprint{}); why != "" {
			t.Errorf("%v is refused: %s", p, why)
		}
	}
}

func TestForbiddenIsAskedForTheClaimer(t *testing.T) {
	own := mustSign(t, "node1", Claim{Name: "node-1", Kind: KindStatic, Network: lawsRules.Network, Routes: prefixes("192.0.2.0/28"), Since: lawsNow})
	other := mustSign(t, "node2", Claim{Name: "node-2", Kind: KindStatic, Network: lawsRules.Network, Routes: prefixes("192.0.2.0/28"), Since: lawsNow.Add(-1)})
	got, conflicts := Ownership([]*Claim{own, other}, underlayRules("10.244.0.0/16"))
	if got[own.Routes[0]] != own.id || len(conflicts) != 1 || conflicts[0].Loser != other.id || conflicts[0].Kind != ConflictRefused {
		t.Errorf("assignment %v, conflicts %v: want node-1 alone to own what covers its own endpoint", got, conflicts)
	}
}
