package doctor

import (
	"slices"

	"github.com/weftnet/weft/kernel/firewall"
)

// legacyChain is chain INPUT of an old iptables. ufw can be set up to keep its rules there, too.
func legacyChain(in firewall.LegacyInput) Chain {
	c := Chain{Family: "ip", Table: "filter", Name: "INPUT", Hook: "input", Drops: in.Drops, Owner: OwnerLegacy}
	if in.IPv6 {
		c.Family = "ip6"
	}
	if slices.Contains(in.Chains, "ufw-before-input") || slices.Contains(in.Chains, "ufw6-before-input") {
		c.Owner = OwnerUFW
	}
	for _, r := range in.Rules {
		rule := Rule{Protocol: r.Protocol, In: r.In, Verdict: legacyVerdicts[r.Verdict], More: r.More}
		for _, p := range r.Ports {
			rule.Ports = append(rule.Ports, Ports(p))
		}
		c.Rules = append(c.Rules, rule)
	}
	return c
}

var legacyVerdicts = map[firewall.LegacyVerdict]Verdict{firewall.LegacyAccept: Accept, firewall.LegacyRefuse: Refuse}
