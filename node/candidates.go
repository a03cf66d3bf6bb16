package node

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/mesh"
)

// ownEndpoints are the endpoints of this host's own addresses, which a peer in the same network might reach although others do not.
// Packets would not travel in clear to those that are left out.
func (n *Node) ownEndpoints() (list []netip.AddrPort) {
	only := listenAddr(n.config())
	for _, a := range n.underlayAddresses() {
		at := netip.AddrPortFrom(a, n.port.Port())
		if (!only.IsValid() || a == only) && mesh.MayCall(at) && !n.config().InNetwork(a) && n.barsClear(a) == "" {
			list = append(list, at)
		}
	}
	return list
}

// mayCall reports whether an endpoint may be called that a peer names: not what means this host or nobody, and nothing in the overlay.
// It is router.Config.Callable.
func (n *Node) mayCall(at netip.AddrPort) bool {
	return mesh.MayCall(at) && !n.config().InNetwork(at.Addr()) && !slices.Contains(n.underlayAddresses(), at.Addr())
}
