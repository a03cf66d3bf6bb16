package kernel

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Protocol marks our routes (rtm_protocol), so that they are known again after a crash. Numbers from 5 on are free for
// routing daemons; 157 is not in the registries of iproute2 (rt_protos) or FRR.
const Protocol = 157

// Metrics of our routes; the package comment says why they are ordered so. They stay below 2^31 because netlink's Priority
// is an int, which has 32 bits on some machines.
const (
	peerMetric    = 1000
	ownMetric     = 2_000_000
	networkMetric = 2_000_000_000
)

// routeKey is what the kernel tells the routes of one table apart by.
type routeKey struct {
	prefix netip.Prefix
	metric int
	tos    int // IPv4 only
}

// route is one route of the main table. Two routes are the same to us if they are ==.
type route struct {
	routeKey
	kind     int // unix.RTN_UNICAST, unix.RTN_UNREACHABLE ...
	protocol int
	link     int // interface index; 0: none
	mtu      int
	source   netip.Addr
	gateway  netip.Addr
	many     bool // several next hops; link and gateway are the first one's
}

// unreachable is the route that makes the kernel answer no-route for p.
func unreachable(p netip.Prefix, metric int) route {
	r := route{routeKey: routeKey{prefix: p, metric: metric}, kind: unix.RTN_UNREACHABLE, protocol: Protocol}
	return r
}

// peerRoute is the route of want to the device with the interface index link.
func peerRoute(want Route, link int) route {
	return route{
		routeKey: routeKey{prefix: want.Prefix, metric: peerMetric},
		kind:     unix.RTN_UNICAST,
		protocol: Protocol,
		link:     link,
		mtu:      routeMTU(want.MTU),
		source:   want.Source,
	}
}

// routeFrom reads a route of the kernel; ok is false for those that are not IP.
func routeFrom(n netlink.Route) (r route, ok bool) {
	prefix, ok := prefixFrom(n.Dst)
	if !ok {
		return route{}, false
	}
	r = route{
		routeKey: routeKey{prefix: prefix, metric: n.Priority, tos: n.Tos},
		kind:     n.Type,
		protocol: int(n.Protocol),
		link:     n.LinkIndex,
		mtu:      n.MTU,
		source:   addrFrom(n.Src),
		gateway:  addrFrom(n.Gw),
	}
	if len(n.MultiPath) > 0 {
		r.many, r.link, r.gateway = true, n.MultiPath[0].LinkIndex, addrFrom(n.MultiPath[0].Gw)
	}
	if r.kind != unix.RTN_UNICAST {
		r.link = 0 // IPv6 hangs unreachable routes on lo, IPv4 on nothing
	}
	return r, true
}

// netlink is the request form of one of our own routes.
func (r route) netlink() *netlink.Route {
	n := &netlink.Route{
		Dst:       ipNet(r.prefix),
		Priority:  r.metric,
		Type:      r.kind,
		Protocol:  netlink.RouteProtocol(r.protocol),
		Table:     unix.RT_TABLE_MAIN,
		LinkIndex: r.link,
		MTU:       r.mtu,
		Src:       r.source.AsSlice(),
	}
	if r.kind == unix.RTN_UNICAST && r.prefix.Addr().Is4() {
		n.Scope = netlink.SCOPE_LINK // as ip(8) does without a gateway; RTM_DELROUTE compares it
	}
	return n
}

// text is the route as ip(8) would write it; device is the name of its interface.
func (r route) text(device string) string {
	if r.kind != unix.RTN_UNICAST {
		return fmt.Sprintf("unreachable %v metric %d", r.prefix, r.metric)
	}
	s := fmt.Sprintf("%v dev %s metric %d", r.prefix, device, r.metric)
	if r.mtu != 0 {
		s += fmt.Sprintf(" mtu %d", r.mtu)
	}
	if r.source.IsValid() {
		s += fmt.Sprintf(" src %v", r.source)
	}
	return s
}

func prefixFrom(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr := addrFrom(n.IP)
	bits, size := n.Mask.Size()
	if size == 32 { // the library's 0.0.0.0/0 has 16 bytes
		addr = addr.Unmap()
	}
	if !addr.IsValid() || size != addr.BitLen() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, bits), true
}

// addrFrom reads an address in the length that netlink gave it: an IPv4-mapped one in 16 bytes stays IPv6.
func addrFrom(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// within reports whether p lies in one of list, or is one of them.
func within(p netip.Prefix, list []netip.Prefix) bool {
	_, ok := containing(p, list)
	return ok
}

// containing finds the prefix of list that p lies in or is.
func containing(p netip.Prefix, list []netip.Prefix) (netip.Prefix, bool) {
	for _, outer := range list {
		if outer.Bits() <= p.Bits() && outer.Contains(p.Addr()) {
			return outer, true
		}
	}
	return netip.Prefix{}, false
}

// maxRouteMTU is the greatest MTU that the kernel keeps for a route (65535 less 15, in fib_convert_metrics and
// ip6_convert_metrics); a greater one would come back smaller, and never be equal to what is wanted.
const maxRouteMTU = 65520

// routeMTU is an MTU as the kernel keeps it: what it would not take is left to the device.
func routeMTU(m OverlayMTU) int { return min(max(int(m), 0), maxRouteMTU) }
