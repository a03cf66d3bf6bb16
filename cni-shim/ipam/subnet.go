package ipam

import "net/netip"

// Gateway is the pods' gateway of a subnet: its first address after that of the subnet itself, which the node has. A subnet of a single
// address is its own gateway.
func Gateway(subnet netip.Prefix) netip.Addr {
	if subnet.IsSingleIP() {
		return subnet.Addr()
	}
	return subnet.Masked().Addr().Next()
}
