package doctor

import (
	"fmt"
	"slices"

	"github.com/google/nftables"

	"github.com/weftnet/weft/kernel/firewall"
)

// Filter is what the host's packet filter says of packets that are forwarded, and of those to this host. It is read, not
// tried: what depends on more than interfaces, protocols and ports is taken to say nothing.
type Filter struct {
	Chains []Chain
}

// Chain is a base chain of the packet filter, with the rules of all chains of its table.
type Chain struct {
	Family string // as nft(8) writes it: ip, ip6 or inet
	Table  string
	Name   string
	Hook   string // "input" or "forward"
	Drops  bool   // what no rule accepts: by its policy, or by a last rule for everything
	Owner  Owner
	Rules  []Rule
}

// Owner is the program that a chain's rules are changed with.
type Owner string

// The owners that are told apart. OwnerIPTables is iptables over nf_tables.
const (
	OwnerNFT       Owner = "nft"
	OwnerIPTables  Owner = "iptables"
	OwnerDocker    Owner = "docker"
	OwnerUFW       Owner = "ufw"
	OwnerFirewalld Owner = "firewalld"
	OwnerLegacy    Owner = "iptables-legacy"
)

func (c Chain) String() string { return fmt.Sprintf("%s %s %s", c.Family, c.Table, c.Name) }

var families = map[nftables.TableFamily]string{
	nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet",
}

// readFilter reads the rules of nf_tables, and those of an old iptables for packets to this host.
func readFilter() (Filter, error) {
	var f Filter
	for _, in := range firewall.LegacyInputs() {
		f.Chains = append(f.Chains, legacyChain(in))
	}
	c, err := nftables.New()
	if err != nil {
		return f, fmt.Errorf("doctor: read the packet filter: %w", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return f, fmt.Errorf("doctor: read the packet filter: %w", err)
	}
	for _, base := range chains {
		if hook := hookOf(base); hook != "" {
			f.Chains = append(f.Chains, readChain(c, base, hook, chains))
		}
	}
	return f, nil
}

// hookOf is the hook of a base chain that filters what weft needs; empty: it is another chain.
func hookOf(c *nftables.Chain) string {
	if c.Hooknum == nil || c.Type != nftables.ChainTypeFilter || families[c.Table.Family] == "" {
		return ""
	}
	switch *c.Hooknum {
	case *nftables.ChainHookInput:
		return "input"
	case *nftables.ChainHookForward:
		return "forward"
	}
	return ""
}

// readChain reads a base chain. A chain whose rules this library cannot read counts as one without.
func readChain(c *nftables.Conn, base *nftables.Chain, hook string, all []*nftables.Chain) Chain {
	chain := Chain{
		Family: families[base.Table.Family], Table: base.Table.Name, Name: base.Name, Hook: hook,
		Drops: base.Policy != nil && *base.Policy == nftables.ChainPolicyDrop,
	}
	var names []string
	for _, other := range all {
		if *other.Table != *base.Table {
			continue
		}
		names = append(names, other.Name)
		list, err := c.GetRules(base.Table, other)
		if err != nil {
			continue
		}
		for _, r := range list {
			rule := readRule(c, r)
			chain.Rules = append(chain.Rules, rule)
			chain.Drops = chain.Drops || other.Name == base.Name && rule.dropsAll()
		}
	}
	chain.Owner = ownerOf(chain, names)
	return chain
}

// ownerOf tells the owner by the names that it gives its chains.
func ownerOf(c Chain, chains []string) Owner {
	switch {
	case c.Table == "firewalld":
		return OwnerFirewalld
	case slices.Contains(chains, "ufw-before-input"), slices.Contains(chains, "ufw6-before-input"):
		return OwnerUFW
	case slices.Contains(chains, "DOCKER-USER") && c.Hook == "forward":
		return OwnerDocker
	case c.Table == "filter" && (c.Name == "INPUT" || c.Name == "FORWARD") && c.Family != "inet":
		return OwnerIPTables
	}
	return OwnerNFT
}
