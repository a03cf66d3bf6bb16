package sim

import (
	"fmt"
	"net/netip"
	"time"
)

// underlay is what is between the nodes.
type underlay struct {
	w     *World
	plain Link             // of pairs that have no link of their own
	links map[[2]int]*Link // from, to
	side  []int            // of a partition, by node: only nodes of one side reach each other
	hosts map[netip.Addr]*Node
}

func newUnderlay(w *World) *underlay {
	return &underlay{w: w, plain: w.cfg.Link, links: map[[2]int]*Link{}, hosts: map[netip.Addr]*Node{}}
}

// link is how datagrams get from one node to another; it may be changed.
func (u *underlay) link(from, to int) *Link {
	key := [2]int{from, to}
	if u.links[key] == nil {
		l := u.plain
		u.links[key] = &l
	}
	return u.links[key]
}

// between is link for reading.
func (u *underlay) between(from, to int) *Link {
	if l := u.links[[2]int{from, to}]; l != nil {
		return l
	}
	return &u.plain
}

// carries reports whether anything gets from one node to the other.
func (u *underlay) carries(from, to int) bool {
	return !u.between(from, to).Down && u.side[from] == u.side[to] && u.w.nodes[to].running
}

// place gives a node an address: a public one, or one behind a NAT of its own. number makes it another than all before.
func (u *underlay) place(n *Node, kind NATKind, number int) {
	public := netip.AddrFrom4([4]byte{198, byte(18 + number>>16), byte(number >> 8), byte(number)})
	n.addr, n.nat = netip.AddrPortFrom(public, port), nil
	if kind != Open {
		inside := netip.AddrFrom4([4]byte{172, byte(16 + number>>16), byte(number >> 8), byte(number)})
		n.addr = netip.AddrPortFrom(inside, port)
		n.nat = newNAT(kind, public, n.addr)
	}
	u.hosts[public] = n
}

// leave takes the address of a node away.
func (u *underlay) leave(n *Node) { delete(u.hosts, n.public()) }

// datagram is what is on its way.
type datagram struct {
	from, to netip.AddrPort // as the world sees them
	frame    []byte
	trail    trail
	line     uint64 // in the journal
}

// send takes a frame from a node to an endpoint, as far as the link lets it.
func (u *underlay) send(from *Node, to netip.AddrPort, frame []byte, t trail) {
	d := datagram{from: from.addr, to: to, frame: frame, trail: t}
	if from.nat != nil {
		d.from = from.nat.out(to)
	}
	target := u.hosts[to.Addr()]
	d.line = u.w.journal.sent(u.w.now, from, target, to, t.label, frame)
	if target == nil || target == from {
		u.w.journal.outcome(d.line, "no such host")
		return
	}
	l := u.between(from.index, target.index)
	if !u.carries(from.index, target.index) {
		u.w.journal.outcome(d.line, "cut")
		return
	}
	copies := 1
	if l.Duplicate > 0 && u.w.rand.Float64() < l.Duplicate {
		copies++
	}
	for range copies {
		u.launch(l, from, target, d)
	}
}

// launch lets one copy of a datagram arrive, or get lost.
func (u *underlay) launch(l *Link, from, to *Node, d datagram) {
	if l.Loss > 0 && u.w.rand.Float64() < l.Loss {
		u.w.journal.outcome(d.line, "lost")
		return
	}
	delay := l.Delay
	if l.Jitter > 0 {
		delay += time.Duration(u.w.rand.Int64N(int64(l.Jitter)))
	}
	d.frame = append(make([]byte, 0, len(d.frame)), d.frame...)
	u.w.at(u.w.now.Add(delay), func() { u.arrive(from, to, d) })
}

// arrive takes a datagram in at its end.
func (u *underlay) arrive(from, to *Node, d datagram) {
	switch {
	case u.hosts[d.to.Addr()] != to:
		u.w.journal.outcome(d.line, "the address is gone")
	case !u.carries(from.index, to.index):
		u.w.journal.outcome(d.line, "cut on the way")
	case to.nat != nil && !to.nat.lets(d.from, d.to.Port()):
		u.w.journal.outcome(d.line, "kept out by the NAT")
	case to.nat == nil && d.to != to.addr:
		u.w.journal.outcome(d.line, "nobody listens")
	default:
		to.receive(d)
	}
}

// dials reports whether a TCP connection from one node to another comes about: NATs let those in alone that nothing is translated for.
func (u *underlay) dials(from, to *Node) bool {
	return u.carries(from.index, to.index) && u.carries(to.index, from.index) && (to.nat == nil || to.nat.kind == OneToOne)
}

// String is the kind in words.
func (k NATKind) String() string {
	switch k {
	case Open:
		return "open"
	case Independent:
		return "endpoint-independent NAT"
	case Symmetric:
		return "symmetric NAT"
	case OneToOne:
		return "1:1 NAT"
	}
	return fmt.Sprintf("NAT %d", uint8(k))
}
