package encap

import "net/netip"

// Endpoint is where frames go to or came from. It is comparable; its addresses are never IPv4-mapped.
type Endpoint struct {
	Addr  netip.AddrPort // the peer's
	Local netip.Addr     // ours that the peer addressed; the zero value lets the kernel choose
}
