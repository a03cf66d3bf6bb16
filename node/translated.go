package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

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

// noteTranslated notes where peers see this node if that is not where it is, tells of it when that is news, and claims what several agree
// in. The keeper calls it. While no peer has a path nothing new is known.
func (n *Node) noteTranslated(peers []router.PeerStatus) {
	if !slices.ContainsFunc(peers, func(p router.PeerStatus) bool { return p.Up && p.SeenAs.IsValid() }) {
		return
	}
	seen := seenElsewhere(peers, n.underlayAddresses())
	n.public = agreed(seen, n.public)
	n.state.translated(seen)
	if f := translationOf(seen); n.nat.isNews(time.Now(), f) {
		n.log.Info("node.address.translated", "seen", endpointsText(seen), "mapping", f.mapping(), "advertised", advertisedText(n.state.advertises()))
	}
}

// translation is what peers tell of a NAT between them and this node: where they see it, less what differs for each of them.
type translation struct {
	addrs  []netip.Addr     // each once, in order
	agreed []netip.AddrPort // at which enough peers see it, in order
	apart  bool             // no two see it at the same endpoint, and some at different ports of one address
}

// translationOf makes one of where peers see this node; the zero value: its address is not translated.
func translationOf(seen []api.Seen) (t translation) {
	for _, s := range seen {
		t.apart = t.apart || slices.Contains(t.addrs, s.Endpoint.Addr())
		t.addrs = append(t.addrs, s.Endpoint.Addr())
		if s.Peers >= agreeing {
			t.agreed = append(t.agreed, s.Endpoint)
		}
	}
	t.apart = t.apart && len(t.agreed) == 0
	slices.SortFunc(t.addrs, netip.Addr.Compare)
	t.addrs = slices.Compact(t.addrs)
	slices.SortFunc(t.agreed, netip.AddrPort.Compare)
	return t
}

// mapping says in words what the NAT does, as far as is known.
func (t *translation) mapping() string {
	switch {
	case len(t.agreed) > 0:
		return "the same for several peers"
	case t.apart:
		return "another port for each peer"
	}
	return "not known: no two peers can be compared"
}

// has reports whether t says all that u does. Which ports a NAT gives that takes another one for each peer says nothing.
func (t *translation) has(u translation) bool {
	subset := !slices.ContainsFunc(u.addrs, func(a netip.Addr) bool { return !slices.Contains(t.addrs, a) }) &&
		!slices.ContainsFunc(u.agreed, func(a netip.AddrPort) bool { return !slices.Contains(t.agreed, a) })
	return subset && (t.apart || !u.apart)
}

// translations bounds how often it is told what peers see. The zero value has told nothing.
type translations struct {
	told  translation
	at    time.Time
	pause time.Duration // that has to pass from at to the next
}

const (
	translatedPause = 10 * time.Second // after the first line; doubles
	translatedMost  = time.Hour
)

// isNews reports whether a translation is to be told of: it says something that the last one which was told of did not. Between two of
// them is a pause, twice as long with each that follows soon; what is still so at its end is told of then.
func (l *translations) isNews(now time.Time, t translation) bool {
	if l.told.has(t) || !l.at.IsZero() && now.Sub(l.at) < l.pause {
		return false
	}
	if l.pause = min(2*l.pause, translatedMost); l.pause == 0 || now.Sub(l.at) >= 10*l.pause {
		l.pause = translatedPause
	}
	l.told, l.at = t, now
	return true
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
