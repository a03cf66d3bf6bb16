package between

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/node/api"
)

// guest is a client that may measure, and the addresses from which its jobs are used.
type guest struct {
	name string
	from []netip.Addr
	pin  bool // its underlay address is not known: the first other one that shows a job's token is taken for it
}

// peerGuest is a peer: it measures from its overlay addresses, and from the underlay address that the daemon reaches it at.
func peerGuest(p api.Peer) guest {
	g := guest{name: printable(p.Name), from: slices.Clone(p.Addrs)}
	if under := endpoint(p); under.IsValid() && p.Via == "" {
		g.from = append(g.from, under)
	} else {
		g.pin = true
	}
	return g
}

// limit makes a job one for the guest.
func (g guest) limit(j load.Job) load.Job {
	j.From, j.Pin = g.from, g.pin
	return j
}
