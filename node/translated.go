package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
)

// agreeing is how many peers must see this node at one endpoint before it claims to be there: with a NAT that gives each destination a
// port of its own, no two do.
const agreeing = 2

// seenElsewhere lists the endpoints, none of them with an address of this host's own, at which peers with a path see this node, those
// that most peers see first: its address is translated on the way.
func seenElsewhere(peers []router.PeerStatus, own []netip.Addr) []api.Seen {
	var list []api.Seen
	for _, p := range peers {
		if !p.Up || !p.SeenAs.IsValid() || slices.Contains(own, p.SeenAs.Addr()) {
			continue
		}
		i := slices.IndexFunc(list, func(s api.Seen) bool { return s.Endpoint == p.SeenAs })
		if i < 0 {
			i, list = len(list), append(list, api.Seen{Endpoint: p.SeenAs})
		}
		list[i].Peers++
	}
	slices.SortFunc(list, func(a, b api.Seen) int {
		if a.Peers != b.Peers {
			return b.Peers - a.Peers
		}
		return a.Endpoint.Compare(b.Endpoint)
	})
	return list
}

// agreed are the endpoints of seen to be claimed: what enough peers agree in, and what was claimed before for as long as one still
// says so. claimed are those of before.
func agreed(seen []api.Seen, claimed []netip.AddrPort) (list []netip.AddrPort) {
	for _, s := range seen {
		if s.Peers >= agreeing || slices.Contains(claimed, s.Endpoint) {
			list = append(list, s.Endpoint)
		}
	}
	return list
}

// noteTranslated notes where peers see this node if that is not where it is, tells of it once, and claims what several agree in. The
// keeper calls it. While no peer has a path nothing new is known.
func (n *Node) noteTranslated(peers []router.PeerStatus) {
	if !slices.ContainsFunc(peers, func(p router.PeerStatus) bool { return p.Up && p.SeenAs.IsValid() }) {
		return
	}
	seen := seenElsewhere(peers, n.underlayAddresses())
	n.public = agreed(seen, n.public)
	if before := n.state.translated(seen); len(seen) > 0 && !sameEndpoints(before, seen) {
		n.log.Info("node.address.translated", "seen", endpointsText(seen), "advertised", advertisedText(n.state.advertises()))
	}
}

// sameEndpoints reports whether both lists have the same endpoints, by however many peers.
func sameEndpoints(a, b []api.Seen) bool {
	in := func(list []api.Seen, s api.Seen) bool {
		return slices.ContainsFunc(list, func(x api.Seen) bool { return x.Endpoint == s.Endpoint })
	}
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s api.Seen) bool { return !in(b, s) })
}

func endpointsText(seen []api.Seen) string {
	texts := make([]string, 0, len(seen))
	for _, s := range seen {
		texts = append(texts, fmt.Sprint(s.Endpoint))
	}
	return strings.Join(texts, ", ")
}

func advertisedText(list []api.Advertised) string {
	texts := make([]string, 0, len(list))
	for _, a := range list {
		texts = append(texts, fmt.Sprint(a.Endpoint))
	}
	return strings.Join(texts, ", ")
}
