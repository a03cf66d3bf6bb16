package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"

	"github.com/weftnet/weft/kernel"
)

// dockerUser is where Docker wants the rules of others: it comes before its own, and Docker leaves it alone.
const dockerUser = "DOCKER-USER"

// policyJumps are the chains to which controllers of Kubernetes' network policies lead what is forwarded: that of kube-router, which k3s has
// built in. What they refuse is not ours to accept.
var policyJumps = []string{"KUBE-ROUTER-FORWARD"}

// Marks of programs whose chains drop what they do not know in ways that their policy does not show.
var (
	obstacleTables = []string{"firewalld", "docker-bridges"}
	obstacleJumps  = []string{dockerUser, "ufw-before-forward", "ufw6-before-forward"}
)

// chain is a foreign chain with its rules.
type chain struct {
	*nftables.Chain
	rules []found
}

// foreign opens the obstacles, and takes our rules out of all other foreign chains.
func (r *reconcile) foreign() {
	list, err := r.foreignChains()
	if err != nil {
		r.faults.add(err)
		return
	}
	doors := r.doors(list)
	for _, c := range list {
		var rules []rule
		if slices.ContainsFunc(doors, func(d chain) bool { return d.Chain == c.Chain }) {
			rules = r.want.opening(c.Name)
		}
		r.faults.add(r.open(c, rules))
	}
}

// foreignChains lists all chains that may have rules of ours: the base chains of others at the forward hook, and Docker's for others.
func (r *reconcile) foreignChains() ([]chain, error) {
	var list []chain
	own := ownTable(r.want.Device)
	for _, c := range r.chains {
		if c.Table.Name == own.Name && c.Table.Family == own.Family || !routed(c.Table.Family) || !forwards(c) && c.Name != dockerUser {
			continue
		}
		rules, err := r.session.rules(c, r.want.Device)
		if err != nil {
			return nil, err
		}
		list = append(list, chain{c, rules})
	}
	return list, nil
}

func forwards(c *nftables.Chain) bool {
	return c.Type == nftables.ChainTypeFilter && c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookForward
}

func routed(f nftables.TableFamily) bool {
	return f == nftables.TableFamilyIPv4 || f == nftables.TableFamilyIPv6 || f == nftables.TableFamilyINet
}

// doors are the chains that shall have our rules: each obstacle, or Docker's chain for others where the obstacle leads there, unless it
// leads to network policies, too: Docker puts its jump in front of theirs when it starts.
func (r *reconcile) doors(list []chain) []chain {
	if r.want.Off {
		return nil
	}
	var doors []chain
	for _, c := range list {
		if !forwards(c.Chain) || !c.obstacle() || !r.want.concerns(c.Table.Family) {
			continue
		}
		docker := slices.IndexFunc(list, func(d chain) bool { return d.Name == dockerUser && *d.Table == *c.Table })
		if docker >= 0 && c.leadsTo(dockerUser) && c.policies() == 0 {
			c = list[docker]
		}
		doors = append(doors, c)
	}
	return doors
}

// concerns reports whether packets of the overlay come through tables of a family.
func (s State) concerns(f nftables.TableFamily) bool {
	switch f {
	case nftables.TableFamilyIPv4:
		return s.has(true)
	case nftables.TableFamilyIPv6:
		return s.has(false)
	}
	return true
}

// obstacle reports whether the chain may drop what the overlay forwards.
func (c chain) obstacle() bool {
	return c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop ||
		slices.ContainsFunc(c.rules, func(f found) bool { return f.refuses }) ||
		slices.Contains(obstacleTables, c.Table.Name) || slices.ContainsFunc(obstacleJumps, c.leadsTo)
}

func (c chain) leadsTo(name string) bool {
	return slices.ContainsFunc(c.rules, func(f found) bool { return f.leadsTo == name })
}

// open makes rules the only ones of ours in a foreign chain, at its front but behind network policies, in one transaction. Ours that
// are there already stay where they are, unless that is before network policies, so that two programs that both want to be first do not
// take turns for ever.
func (r *reconcile) open(c chain, rules []rule) error {
	wanted, err := tags(rules, r.want.Device)
	if err != nil {
		return err
	}
	have := c.ours(r.want.Device)
	if slices.EqualFunc(have, wanted, func(f found, tag string) bool { return f.tag == tag }) && !c.beforePolicies(have) {
		return nil
	}
	nft := r.session.nft
	for _, f := range have {
		if err := nft.DelRule(&nftables.Rule{Table: c.Table, Chain: c.Chain, Handle: f.handle}); err != nil {
			return err
		}
	}
	behind := c.policies()
	for i, rule := range slices.Backward(rules) {
		if r := rule.nft(c.Chain, wanted[i]); behind == 0 {
			nft.InsertRule(r)
		} else {
			r.Position = behind
			nft.AddRule(r)
		}
	}
	op := kernel.Added
	if len(rules) == 0 {
		op = kernel.Removed
	}
	err = r.commit(op, KindRule, "for "+r.want.Device+" in "+chainText(c.Chain))
	if errors.Is(err, kernel.ErrPermission) {
		return r.owned(c)
	}
	return err
}

// policies is the handle of the last rule that leads to network policies; 0: there is none.
func (c chain) policies() (handle uint64) {
	for _, f := range c.rules {
		if slices.Contains(policyJumps, f.jumps) {
			handle = f.handle
		}
	}
	return handle
}

// beforePolicies reports whether a packet comes to one of these rules of the chain before it has passed all network policies.
func (c chain) beforePolicies(list []found) bool {
	behind := c.policies()
	at := func(handle uint64) int {
		return slices.IndexFunc(c.rules, func(f found) bool { return f.handle == handle })
	}
	return behind != 0 && len(list) > 0 && at(list[0].handle) < at(behind)
}

// ours are the rules with the device's tag, and those that were saved and loaded again without it.
func (c chain) ours(device string) []found {
	var list []found
	for _, f := range c.rules {
		if f.opens || len(f.tag) > digestLen && f.tag[digestLen:] == device {
			list = append(list, f)
		}
	}
	return list
}

// OwnedError says that a chain drops what the overlay forwards, and that its table can only be changed by the program that
// made it (flag owner of nf_tables, Linux 5.12; firewalld sets it).
type OwnedError struct {
	Chain   string // as nft(8) names it: inet firewalld filter_FORWARD
	Device  string
	Bridge  string // of the pods; empty: there is none
	Network []netip.Prefix
}

// Error implements error.
func (e *OwnedError) Error() string {
	text := fmt.Sprintf("firewall: %s drops what is forwarded, and only the program that made it can change it: ", e.Chain)
	names := []string{e.Device}
	if e.Bridge != "" {
		names = append(names, e.Bridge)
	}
	if e.Chain[:min(len(e.Chain), len(firewalld))] != firewalld {
		return text + fmt.Sprintf("let it accept what comes in by %[1]s and what goes out by %[1]s", strings.Join(names, " or "))
	}
	text += "firewall-cmd --permanent --zone=trusted --add-interface=" + strings.Join(names, " --add-interface=")
	for _, p := range e.Network {
		text += fmt.Sprintf(" && firewall-cmd --permanent --zone=trusted --add-source=%s", p)
	}
	return text + " && firewall-cmd --reload"
}

const firewalld = "inet firewalld "

// owned is what there is to say of a chain that only its owner can change: nothing, if its table has rules for our device,
// since then somebody has seen to it.
func (r *reconcile) owned(c chain) error {
	for _, other := range r.chains {
		if *other.Table != *c.Table {
			continue
		}
		rules, err := r.session.rules(other, r.want.Device)
		if err == nil && slices.ContainsFunc(rules, func(f found) bool { return f.names }) {
			return nil
		}
	}
	return &OwnedError{Chain: chainText(c.Chain), Device: r.want.Device, Bridge: r.want.Bridge, Network: r.want.Network}
}
