package node

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// protected are the underlay addresses that no claim may take away: a route to them through the overlay would cut the
// overlay itself.
type protected struct {
	peers atomic.Pointer[places]
	seeds atomic.Pointer[[]netip.Addr] // those that are configured as addresses
}

// places say where peers are reached, or were last, and what they claim to lie behind them.
type places struct {
	at     []place // by address; several peers may be behind one
	routes map[trust.Fingerprint][]netip.Prefix
}

type place struct {
	addr netip.Addr
	peer trust.Fingerprint
}

func newProtected(seeds []string) *protected {
	p := new(protected)
	p.peers.Store(new(places))
	p.keep(seeds)
	return p
}

// keep takes the seeds that are configured now.
func (p *protected) keep(seeds []string) {
	list := []netip.Addr{}
	for _, s := range seeds {
		host, _, err := mesh.SplitSeed(s, config.DefaultPort)
		if a, parseErr := netip.ParseAddr(host); err == nil && parseErr == nil {
			list = append(list, a.Unmap())
		}
	}
	p.seeds.Store(&list)
}

// learn takes where the peers are reached, and their claims. Merely claimed endpoints do not count: else any member could
// get a route refused by claiming an endpoint inside it.
func (p *protected) learn(peers []router.PeerStatus, claims []*mesh.Claim) {
	known := &places{routes: make(map[trust.Fingerprint][]netip.Prefix, len(claims))}
	for _, s := range peers {
		if s.Last.IsValid() {
			known.at = append(known.at, place{s.Last.Addr().WithZone(""), s.ID})
		}
	}
	slices.SortFunc(known.at, func(a, b place) int { return a.addr.Compare(b.addr) })
	for _, c := range claims {
		known.routes[c.ID()] = c.Routes
	}
	p.peers.Store(known)
}

// covered is the smallest address in prefix at which a peer is reached. With gateways set, those of peers that claim prefix
// as a route do not count.
func (p *places) covered(prefix netip.Prefix, gateways bool) (least netip.Addr, ok bool) {
	first, _ := slices.BinarySearchFunc(p.at, prefix.Masked().Addr(), func(x place, a netip.Addr) int { return x.addr.Compare(a) })
	for _, x := range p.at[first:] {
		switch {
		case !prefix.Contains(x.addr):
			return netip.Addr{}, false
		case !gateways || !slices.Contains(p.routes[x.peer], prefix):
			return x.addr, true
		}
	}
	return netip.Addr{}, false
}

// forbidden says why a prefix may not be claimed, whoever does, or "": our own packets would go into the overlay to reach an
// address of our underlay, a seed, or the place where a peer is reached, the claimer itself too.
func (n *Node) forbidden(prefix netip.Prefix, _ trust.Fingerprint) string {
	if slices.Contains(n.config().Routes, prefix) {
		return n.forbiddenHere(prefix)
	}
	for _, a := range n.underlayAddresses() {
		if prefix.Contains(a) {
			return fmt.Sprintf("it covers %s, an address of this host", a)
		}
	}
	if a, ok := n.protected.peers.Load().covered(prefix, false); ok {
		return fmt.Sprintf("it covers %s, where a peer is reached", a)
	}
	for _, a := range *n.protected.seeds.Load() {
		if prefix.Contains(a) {
			return fmt.Sprintf("it covers %s, a seed", a)
		}
	}
	return ""
}

// forbiddenHere is forbidden for a route that is ours: our packets to it do not go into the overlay, so that it may cover our
// own addresses and those of nodes that lead there beside us. It may not cover those of others: nodes elsewhere would lose
// them.
func (n *Node) forbiddenHere(prefix netip.Prefix) string {
	if a, ok := n.protected.peers.Load().covered(prefix, true); ok {
		return fmt.Sprintf("it covers %s, where a peer is reached that does not claim it", a)
	}
	return ""
}
