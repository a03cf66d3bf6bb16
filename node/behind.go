package node

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// steady is how long a node, or a network behind it, must be reached again before routes return to it: several times what it
// takes to find that it is not, so that something that comes and goes moves a route once.
const steady = 10 * time.Second

// behind watches which networks behind this node it reaches on a way of its own. The zero value is ready.
type behind struct {
	since map[netip.Prefix]time.Time // of what is reached; the zero time: since the first look
	cut   []netip.Prefix             // what the claim says is not
	lans  []netip.Prefix             // of the last look
}

// look takes what is not reached now, and returns what the claim shall say is not: that, and what has not been reached for
// long again.
func (b *behind) look(lans, unreached []netip.Prefix, now time.Time) []netip.Prefix {
	first := b.since == nil
	b.lans = lans
	if first {
		b.since = map[netip.Prefix]time.Time{}
	}
	b.cut = nil
	maps.DeleteFunc(b.since, func(lan netip.Prefix, _ time.Time) bool { return !slices.Contains(lans, lan) })
	for _, lan := range lans {
		since, was := b.since[lan]
		switch {
		case slices.Contains(unreached, lan):
			delete(b.since, lan)
			b.cut = append(b.cut, lan)
			continue
		case !was && !first:
			since = now
		}
		b.since[lan] = since
		if !since.IsZero() && now.Sub(since) < steady {
			b.cut = append(b.cut, lan)
		}
	}
	return b.cut
}

// lookBehind asks the kernel for the ways to the networks behind this node, and says what it finds. It returns what the claim
// shall say is not reached.
func (n *Node) lookBehind() []netip.Prefix {
	lans := n.config().Routes
	unreached := n.platform.Kernel.Unreached(lans)
	for _, lan := range n.behind.lans {
		if !slices.Contains(lans, lan) { // a reload took it away
			n.state.problem("route "+lan.String(), "")
		}
	}
	for _, lan := range lans {
		n.noteWay(lan, slices.Contains(unreached, lan))
	}
	return n.behind.look(lans, unreached, time.Now())
}

// noteWay says once whether this host has a way of its own to a network behind it.
func (n *Node) noteWay(lan netip.Prefix, missing bool) {
	reason := ""
	if missing {
		reason = fmt.Sprintf("this host has no route there but the default route: add one (ip route add %v via ROUTER), or take %v out of routes", lan, lan)
	}
	switch news := n.state.problem("route "+lan.String(), reason); {
	case news && missing:
		n.log.Warn("node.route.cut", "prefix", lan, "reason", reason)
	case news:
		n.log.Info("node.route.reached", "prefix", lan)
	}
}

// reach says how this node reaches the others, and itself.
func (n *Node) reach(up map[trust.Fingerprint]router.PeerStatus, now time.Time) map[trust.Fingerprint]mesh.Reach {
	reach := map[trust.Fingerprint]mesh.Reach{n.identity.Fingerprint(): mesh.Reached}
	for id, p := range up {
		reach[id] = mesh.Reached
		if now.Sub(p.Since) < steady {
			reach[id] = mesh.Regained
		}
	}
	return reach
}

// leads reports whether this host sends its own packets to a network without the overlay, because it lies behind this node.
func (n *Node) leads(lan netip.Prefix) bool {
	return slices.Contains(n.behind.lans, lan) && !slices.Contains(n.behind.cut, lan)
}

// noteTakeovers logs which networks another node leads to than before.
func (n *Node) noteTakeovers(next *plan) {
	before := n.state.present()
	if before == nil || !before.informed {
		return
	}
	for lan, group := range next.gateways {
		from, had := before.assignment[lan]
		to := next.assignment[lan]
		if !had || from == to || before.gateways[lan] == nil {
			continue
		}
		n.log.Warn("node.route.moved", "prefix", lan, "from", nameIn(append(slices.Clone(before.gateways[lan]), group...), from),
			"to", nameIn(group, to), "reason", next.whyNot(lan, from))
	}
}

// present is the plan in force; nil before the first.
func (s *state) present() *plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan
}

// nameIn is the name that a node claims.
func nameIn(claims []*mesh.Claim, id trust.Fingerprint) string {
	if i := slices.IndexFunc(claims, func(c *mesh.Claim) bool { return c.ID() == id }); i >= 0 {
		return claims[i].Name
	}
	return id.Short()
}
