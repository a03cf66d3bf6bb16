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

// forgetRules removes the rules that lead packets from addresses to tables of later interfaces. Routes end with their interface, rules do not.
func forgetRules(pod *netlink.Handle, addrs []netip.Addr) {
	for _, addr := range addrs {
		rules, _ := rulesFrom(pod, addr)
		for _, r := range rules {
			if r.Table > laterTable {
				_ = pod.RuleDel(&r)
			}
		}
	}
}

func rulesFrom(pod *netlink.Handle, addr netip.Addr) ([]netlink.Rule, error) {
	only := &netlink.Rule{Src: ipNet(single(addr))}
	return dump(func() ([]netlink.Rule, error) { return pod.RuleListFiltered(family(addr), only, netlink.RT_FILTER_SRC) })
}

// podLater looks for the table and the rules of a later interface. have are its routes in the main table, by which it is known.
func (c *check) podLater(nl *netlink.Handle, index int, have []netlink.Route) error {
	later := map[int]bool{}
	for _, r := range have {
		later[r.Family] = later[r.Family] || r.Priority == laterMetric+index
	}
	own, err := routesOf(nl, index, laterTable+index)
	if err != nil {
		return err
	}
	for _, want := range c.routes(index) {
		if later[want.Family] && !hasRoute(own, want) {
			c.fault("the pod has no route %s in table %d", routeText(want, c.IfName), laterTable+index)
		}
	}
	for _, addr := range c.Addrs {
		if !later[family(addr)] {
			continue
		}
		rules, err := rulesFrom(nl, addr)
		if err != nil {
			return explain("list the pod's rules", err)
		}
		if !slices.ContainsFunc(rules, func(r netlink.Rule) bool { return r.Table == laterTable+index }) {
			c.fault("the pod has no rule that leads packets from %s to %s", addr, c.IfName)
		}
	}
	return nil
}
