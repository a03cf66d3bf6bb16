package firewall

import (
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
)

// uplinkKinds are the kinds of interfaces that lead out of a host by themselves. Others (a bridge, a veth) do so if there is
// a gateway behind them; else they lead to guests of this host, whose router advertisements it must not take.
var uplinkKinds = []string{"device", "bond", "team", "vlan", "macvlan", "ipvlan", "ppp", "wwan"}

// uplinks are the names of the interfaces behind which a router may be. device is never one.
func uplinks(device string) ([]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("firewall: list interfaces: %w", err)
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("firewall: list routes: %w", err)
	}
	var names []string
	for _, l := range links {
		a := l.Attrs()
		gateway := slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.LinkIndex == a.Index && r.Gw != nil })
		if a.Name != device && a.Flags&net.FlagLoopback == 0 && a.MasterIndex == 0 && (gateway || slices.Contains(uplinkKinds, l.Type())) {
			names = append(names, a.Name)
		}
	}
	return names, nil
}
