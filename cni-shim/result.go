package cnishim

import (
	"net"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/cni-shim/podnet"
)

// podIndex is the place of the pod end among the interfaces of a result.
const podIndex = 2

// mtuVersion is the version of the specification from which on a result tells MTUs and the scope of routes.
const mtuVersion = "1.1"

// result is what ADD prints, for any version: bridge, host end and pod end; the addresses, without a subnet, as the pod has them; and the
// routes.
func (a *addition) result(ends podnet.Ends) types.Result {
	r := &types100.Result{
		CNIVersion: types100.ImplementedSpecVersion,
		Interfaces: []*types100.Interface{
			{Name: a.config.Bridge, Mac: podnet.BridgeMAC().String(), Mtu: min(a.lease.MTU, ends.MTU)},
			{Name: a.wanted.HostEnd, Mac: ends.Host.String(), Mtu: ends.MTU},
			podIndex: {Name: a.key.IfName, Mac: ends.Pod.String(), Mtu: ends.MTU, Sandbox: a.netns},
		},
		DNS: a.config.DNS,
	}
	for i, addr := range a.wanted.Addrs {
		r.IPs = append(r.IPs, &types100.IPConfig{
			Interface: types100.Int(podIndex), Address: ipNet(netip.PrefixFrom(addr, addr.BitLen())), Gateway: a.wanted.Gateways[i].AsSlice(),
		})
	}
	for _, route := range a.wanted.Routes() {
		r.Routes = append(r.Routes, routeOf(route))
	}
	if !a.config.atLeast(mtuVersion) {
		for _, i := range r.Interfaces {
			i.Mtu = 0
		}
		for _, route := range r.Routes {
			route.Scope = nil
		}
	}
	return r
}

func routeOf(r podnet.Route) *types.Route {
	route := &types.Route{Dst: ipNet(r.To), GW: r.Via.AsSlice()}
	if route.GW == nil {
		onLink := unix.RT_SCOPE_LINK
		route.Scope = &onLink
	}
	return route
}

func ipNet(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
