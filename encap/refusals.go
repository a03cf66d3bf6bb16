package encap

import (
	"net/netip"
	"time"
)

// Refuser is a Port that learns which destinations take no trains.
type Refuser interface {
	// Refusals lists the destinations whose frames go one by one, because the kernel has refused a train to them lately.
	// Any goroutine may ask.
	Refusals() []netip.AddrPort
}

var _ Refuser = (*UDPPort)(nil)

// Refusals implements Refuser.
func (u *UDPPort) Refusals() []netip.AddrPort { return u.gso.refusals() }

// refusals lists the destinations that refuses is true for.
func (g *segmentation) refusals() (list []netip.AddrPort) {
	m := g.refused.Load()
	if m == nil {
		return nil
	}
	now := time.Now()
	for addr, until := range *m {
		if now.Before(until) {
			list = append(list, addr)
		}
	}
	return list
}
