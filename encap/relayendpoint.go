package encap

import (
	"encoding/binary"
	"net/netip"

	"github.com/weftnet/weft/trust"
)

// relayPrefix is the discard-only block of RFC 6666: no datagram comes from there, and none goes there.
var relayPrefix = netip.MustParsePrefix("100::/64")

// RelayedEndpoint means "the node of that number, through relays": [100::NUMBER]:0. It is never sent to as it is, and never taken
// from outside: not as the source of a datagram, nor as an address that somebody claims or sees.
func RelayedEndpoint(n trust.Number) Endpoint {
	raw := relayPrefix.Addr().As16()
	binary.BigEndian.PutUint64(raw[8:], uint64(n))
	return Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom16(raw), 0)}
}

// Relayed is the number of the node that is reached through relays; false: the endpoint is an address of the underlay.
func (e Endpoint) Relayed() (trust.Number, bool) {
	if !IsRelayed(e.Addr.Addr()) {
		return 0, false
	}
	raw := e.Addr.Addr().As16()
	return trust.Number(binary.BigEndian.Uint64(raw[8:])), true
}

// IsRelayed reports whether an address is one of RelayedEndpoint.
func IsRelayed(a netip.Addr) bool { return !a.Is4() && relayPrefix.Contains(a) }
