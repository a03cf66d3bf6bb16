package node

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// protected are the underlay addresses that no claim may take away: a route to them through the overlay would cut the
// overlay itself.
type protected struct {
	peers atomic.Pointer[map[netip.Addr]trust.Fingerprint] // where peers are reached, or were last
	seeds []netip.Addr                                     // those that are configured as addresses
}

func newProtected(seeds []string) *protected {
	p := new(protected)
	for _, s := range seeds {
		host, _, err := mesh.SplitSeed(s, DefaultPort)
		if a, parseErr := netip.ParseAddr(host); err == nil && parseErr == nil {
			p.seeds = append(p.seeds, a.Unmap())
		}
	}
	return p
}

// learn takes where the peers are reached. Merely claimed endpoints do not count: else any member could get a route
// refused by claiming an endpoint inside it.
func (p *protected) learn(peers []router.PeerStatus) {
	at := make(map[netip.Addr]trust.Fingerprint, len(peers))
	for _, s := range peers {
		if s.Last.IsValid() {
			at[s.Last.Addr()] = s.ID
		}
	}
	p.peers.Store(&at)
}

// covered is the smallest of the addresses in prefix that are not the claimer's own.
func covered(at map[netip.Addr]trust.Fingerprint, prefix netip.Prefix, claimer trust.Fingerprint) (least netip.Addr, ok bool) {
	for a, id := range at {
		if id != claimer && prefix.Contains(a) && (!ok || a.Less(least)) {
			least, ok = a, true
		}
	}
	return least, ok
}

// forbidden says why a prefix may not be claimed by claimer, or "": it covers an address of our underlay, a seed, or the
// place where another peer is reached. A node may well own the network that it is reached in.
func (n *Node) forbidden(prefix netip.Prefix, claimer trust.Fingerprint) string {
	for _, a := range n.underlayAddresses() {
		if prefix.Contains(a) {
			return fmt.Sprintf("it covers %s, an address of this host", a)
		}
	}
	at := n.protected.peers.Load()
	if at != nil {
		if a, ok := covered(*at, prefix, claimer); ok {
			return fmt.Sprintf("it covers %s, where another peer is reached", a)
		}
	}
	for _, a := range n.protected.seeds {
		if prefix.Contains(a) && (at == nil || (*at)[a] != claimer) {
			return fmt.Sprintf("it covers %s, a seed", a)
		}
	}
	return ""
}
