package podnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// SetHostRoutes makes the host lead exactly these addresses to the bridge by a route for each alone, which comes before any route to a
// prefix around it. Routes to the bridge that others made, such as those of its own addresses, are left alone. It is idempotent. Without
// the bridge there is nothing to do for none.
func (h *Host) SetHostRoutes(bridge string, to []netip.Addr) (changes kernel.Changes, err error) {
	found, err := link(h.nl, bridge)
	if err == nil && found == nil && len(to) > 0 {
		err = explain("find bridge "+bridge, unix.ENODEV)
	}
	if found == nil || err != nil {
		return nil, err
	}
	index := found.Attrs().Index
	have, err := h.hostRoutes(index)
	if err != nil {
		return nil, explain("list routes to bridge "+bridge, err)
	}
	step := func(op kernel.Op, a netip.Addr, err error) error {
		if err == nil {
			changes = append(changes, kernel.Change{Op: op, Kind: KindBridge, What: fmt.Sprintf("%s route %s", bridge, single(a))})
		}
		return explain(fmt.Sprintf("set route %s to bridge %s", single(a), bridge), err)
	}
	for _, a := range to {
		if slices.Contains(have, a) {
			continue
		}
		if err := step(kernel.Added, a, h.nl.RouteReplace(hostRoute(index, a))); err != nil {
			return changes, err
		}
	}
	for _, a := range have {
		if slices.Contains(to, a) {
			continue
		}
		if err := h.nl.RouteDel(hostRoute(index, a)); !errors.Is(err, unix.ESRCH) {
			if err := step(kernel.Removed, a, err); err != nil {
				return changes, err
			}
		}
	}
	return changes, nil
}

// hostRoute is marked as weft's. Its metric is below that of a peer's route (package kernel), so that it wins over one of the same length.
func hostRoute(index int, a netip.Addr) *netlink.Route {
	return &netlink.Route{
		LinkIndex: index, Family: family(a), Dst: ipNet(single(a)), Scope: netlink.SCOPE_LINK, Protocol: kernel.Protocol, Priority: hostRouteMetric,
	}
}

const hostRouteMetric = 1

// hostRoutes are the addresses that SetHostRoutes has led to a bridge.
func (h *Host) hostRoutes(index int) (list []netip.Addr, err error) {
	only := &netlink.Route{LinkIndex: index, Protocol: kernel.Protocol}
	for _, f := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := dump(func() ([]netlink.Route, error) {
			return h.nl.RouteListFiltered(f, only, netlink.RT_FILTER_OIF|netlink.RT_FILTER_PROTOCOL)
		})
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
			return nil, err
		}
		for _, r := range routes {
			if p := prefixOf(r.Dst); p.IsValid() && p.IsSingleIP() {
				list = append(list, p.Addr())
			}
		}
	}
	return list, nil
}
