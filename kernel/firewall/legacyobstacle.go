package firewall

import (
	"net/netip"
	"time"
)

// LegacyObstacle reports, as a *LegacyError, that an old iptables drops what the device forwards for the networks. nil: it does
// not, or it cannot be looked at. It changes nothing, and makes no table.
func LegacyObstacle(device string, network []netip.Prefix) error {
	return legacyObstacle(State{Device: device, Network: network})
}

// legacyPeriod is how long what an old iptables does is taken for granted: its table can only be read as a whole, and tells
// of no change.
const legacyPeriod = 10 * time.Second

// legacySight is what was seen of an old iptables.
type legacySight struct {
	want State
	at   time.Time // zero if it was not looked at
	err  error     // a *LegacyError, or nil
}

// legacyObstacle is that for want, as it was at most legacyPeriod ago.
func (r *Rules) legacyObstacle(want State) error {
	if now := r.now(); r.legacy.at.IsZero() || now.Sub(r.legacy.at) >= legacyPeriod || !r.legacy.want.equal(want) {
		r.legacy = legacySight{want.clone(), now, legacyObstacle(want)}
	}
	return r.legacy.err
}
