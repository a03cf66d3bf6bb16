package podnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A pod may have several interfaces, of weft or of others. The one that came first keeps its routes; those of a later one have a greater
// metric, and stand in a table of their own as well, which packets from its addresses take: another port would not take them.
const (
	laterMetric = 2048       // and the interface's index; the kernel gives IPv4 0 and IPv6 1024 (IP6_RT_PRIO_USER) where nothing is said
	laterTable  = 0x77660000 // and the interface's index
)

// addRoutes gives the pod end, which is up, its routes.
func (a *attachment) addRoutes(index int) error {
	later, err := laterFamilies(a.pod, index)
	if err != nil {
		return err
	}
	for _, r := range a.routes(index) {
		if later[r.Family] {
			r.Priority = laterMetric + index
			own := r
			own.Priority, own.Table = 0, laterTable+index
			if err := a.addRoute(own); err != nil {
				return err
			}
		}
		if err := a.addRoute(r); err != nil {
			return err
		}
	}
	for _, addr := range a.Addrs {
		if !later[family(addr)] {
			continue
		}
		if err := a.pod.RuleAdd(laterRule(addr, index)); err != nil && !errors.Is(err, unix.EEXIST) {
			return explain(fmt.Sprintf("add rule for packets from %s to the pod", addr), err)
		}
	}
	return nil
}

func (a *attachment) addRoute(r netlink.Route) error {
	return explain(fmt.Sprintf("add route %s to the pod", r.Dst), a.pod.RouteReplace(&r))
}

// laterFamilies are the families of which the pod has a default route by another interface than the one with this index.
func laterFamilies(nl *netlink.Handle, index int) (map[int]bool, error) {
	list, err := dump(func() ([]netlink.Route, error) { return nl.RouteList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, explain("list the pod's routes", err)
	}
	later := map[int]bool{}
	for _, r := range list {
		if prefixOf(r.Dst).Bits() == 0 && r.LinkIndex != index {
			later[r.Family] = true
		}
	}
	return later, nil
}

// laterRule leads packets from an address to the table of its interface.
func laterRule(addr netip.Addr, index int) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family, rule.Src, rule.Table = family(addr), ipNet(single(addr)), laterTable+index
	return rule
}

// podRules looks for the rules of a later interface, of which have are the routes.
func (c *check) podRules(nl *netlink.Handle, index int, have []netlink.Route) error {
	for _, addr := range c.Addrs {
		if !slices.ContainsFunc(have, func(r netlink.Route) bool { return r.Family == family(addr) && r.Priority == laterMetric+index }) {
			continue
		}
		rules, err := dump(func() ([]netlink.Rule, error) { return nl.RuleList(family(addr)) })
		if err != nil {
			return explain("list the pod's rules", err)
		}
		if !slices.ContainsFunc(rules, func(r netlink.Rule) bool { return prefixOf(r.Src) == single(addr) && r.Table == laterTable+index }) {
			c.fault("the pod has no rule that leads packets from %s to %s", addr, c.IfName)
		}
	}
	return nil
}
