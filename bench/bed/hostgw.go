package bed

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"
)

// hostGW is routes alone: each host sends the other's subnet to the other's underlay address, as Flannel's host-gw does. It
// needs hosts on one link, and is what no tunnel can surpass.
type hostGW struct{}

// Name is "host-gw".
func (hostGW) Name() string { return "host-gw" }

// About says what it is.
func (hostGW) About() string { return "routes between the hosts, no tunnel" }

// Overhead is none.
func (hostGW) Overhead() int { return 0 }

// Unavailable is nil: every kernel routes.
func (hostGW) Unavailable(context.Context) error { return nil }

// Up sets the routes.
func (hostGW) Up(_ context.Context, b *Bed) (Running, error) {
	for _, e := range b.ends() {
		route := &netlink.Route{Dst: ipNet(e.peerSubnet), Gw: e.peer.Addr4().AsSlice()}
		err := e.links(func(h *netlink.Handle) error { return h.RouteReplace(route) })
		if err != nil {
			return nil, fmt.Errorf("route %s via %s on %s: %w", e.peerSubnet, e.peer.Addr4(), e.host.Name(), err)
		}
	}
	return inKernel{}, b.makePods(b.MTU())
}
