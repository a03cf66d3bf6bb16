package sim

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/trust"
)

// checks are what must always hold. They know what no node knows: where each frame was, and whom its sender meant.
type checks struct {
	violation string
	trails    uint64
	delivered uint64
}

// faults make nodes do what they must not, so that tests see that it is found.
type faults struct {
	misroute func(at *Node, next trust.Number) trust.Number // a relay sends a frame elsewhere
}

// Violation is what must never happen, and did; "": nothing.
func (w *World) Violation() string { return w.checks.violation }

// Delivered is how many packets came to whom they were meant for.
func (w *World) Delivered() uint64 { return w.checks.delivered }

func (c *checks) violate(format string, args ...any) {
	if c.violation == "" {
		c.violation = fmt.Sprintf(format, args...)
	}
}

// begin is the trail of a frame that a node is about to send through relays.
func (c *checks) begin(t trail, from, to *Node) trail {
	c.trails++
	t.id, t.from, t.to, t.nodes = c.trails, from, to, []int{from.index}
	return t
}

// visit checks that a frame is at a node for the first time.
func (c *checks) visit(n *Node, t trail) trail {
	next, first := t.visit(n)
	if !first {
		c.violate("a frame (%s) of %v for %v visits %v twice: %v", t.label, t.from, t.to, n, next.nodes)
	}
	return next
}

// deliver checks that a packet comes to the node that its sender meant, and that owns its destination.
func (c *checks) deliver(n *Node, p packet) {
	c.delivered++
	switch {
	case p.meant != n.self:
		c.violate("a packet for %v is delivered to %v, its sender meant %s", p.dst, n, p.meant.Short())
	case !n.owns(p.dst):
		c.violate("a packet for %v is delivered to %v, which has not claimed it", p.dst, n)
	}
}

// owners checks that no two prefixes in force at a node overlap and have different owners.
func (c *checks) owners(n *Node, a mesh.Assignment) {
	list := make([]netip.Prefix, 0, len(a))
	for p := range a {
		list = append(list, p)
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	for i, last := 1, 0; i < len(list); i++ {
		if !list[last].Overlaps(list[i]) {
			last = i
			continue
		}
		if a[list[last]] != a[list[i]] {
			c.violate("at %v, %v is %s's and %v is %s's", n, list[last], a[list[last]].Short(), list[i], a[list[i]].Short())
		}
	}
}

// Agreed reports whether no two nodes that run give one prefix to different owners; else where keeps both.
func (w *World) Agreed() (where string, ok bool) {
	type opinion struct {
		owner trust.Fingerprint
		of    *Node
	}
	known := map[netip.Prefix]opinion{}
	for _, n := range w.nodes {
		if !n.running {
			continue
		}
		for p, owner := range n.table.assignment {
			before, said := known[p]
			if said && before.owner != owner {
				return fmt.Sprintf("%v is %v's at %v, and %v's at %v", p, w.byID[before.owner], before.of, w.byID[owner], n), false
			}
			known[p] = opinion{owner, n}
		}
	}
	return "", true
}
