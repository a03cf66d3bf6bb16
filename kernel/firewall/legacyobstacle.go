package firewall

import "net/netip"

// LegacyObstacle reports, as a *LegacyError, that an old iptables drops what the device forwards for the networks. nil: it does
// not, or it cannot be looked at. It changes nothing, and makes no table.
func LegacyObstacle(device string, network []netip.Prefix) error {
	return legacyObstacle(State{Device: device, Network: network})
}
