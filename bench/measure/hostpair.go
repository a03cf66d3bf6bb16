package measure

import (
	"net/netip"

	"github.com/weftnet/weft/lab"
)

// HostPair is the hosts beneath the pods of a Target: what they send to each other's own address in the overlay takes the
// subject's way, but comes from no pod.
type HostPair struct {
	From, To         *lab.Namespace
	FromAddr, ToAddr netip.Addr // of the bridges: the first of each host's subnet
}

// betweenHosts is the target with its hosts in the place of its pods; false: it has none.
func (t Target) betweenHosts() (Target, bool) {
	if t.Hosts.From == nil || t.Hosts.To == nil {
		return t, false
	}
	t.From, t.To, t.FromAddr, t.ToAddr = t.Hosts.From, t.Hosts.To, t.Hosts.FromAddr, t.Hosts.ToAddr
	return t, true
}
