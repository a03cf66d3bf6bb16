package mesh

import "net/netip"

// MayCall reports whether an endpoint that a node says of itself may be called: it is none of this very host or link, no multicast, and
// nothing reserved.
func MayCall(e netip.AddrPort) bool { return checkEndpoint(e) == nil }
