package sim

import "net/netip"

// NATKind is what is between a node and the others, in the words of RFC 4787.
type NATKind uint8

// The kinds.
const (
	Open        NATKind = iota // nothing: the node has a public address
	Independent                // endpoint-independent mapping, address and port-dependent filtering
	Symmetric                  // address and port-dependent mapping and filtering
	OneToOne                   // each port is its own, nothing is filtered, and the node does not know its public address
)

// nat is a NAT in front of one node.
type nat struct {
	kind   NATKind
	public netip.Addr
	inside netip.AddrPort

	mapped map[netip.AddrPort]uint16 // public port by destination; of Independent all have the same
	port   uint16                    // given last
}

func newNAT(kind NATKind, public netip.Addr, inside netip.AddrPort) *nat {
	return &nat{kind: kind, public: public, inside: inside, mapped: map[netip.AddrPort]uint16{}, port: 40000}
}

// out is where the world sees a datagram to a destination come from.
func (n *nat) out(to netip.AddrPort) netip.AddrPort {
	if _, known := n.mapped[to]; !known {
		n.mapped[to] = n.assign()
	}
	return netip.AddrPortFrom(n.public, n.mapped[to])
}

// assign is the port of a new mapping.
func (n *nat) assign() uint16 {
	switch {
	case n.kind == OneToOne:
		return n.inside.Port()
	case n.kind == Symmetric || n.port == 40000:
		n.port++
	}
	return n.port
}

// lets reports whether a datagram from the world, to a port of the public address, comes in.
func (n *nat) lets(from netip.AddrPort, port uint16) bool {
	if n.kind == OneToOne {
		return port == n.inside.Port()
	}
	mapped, known := n.mapped[from]
	return known && mapped == port
}

// forget drops all mappings, as a NAT does that starts again; new ones have other ports.
func (n *nat) forget() {
	clear(n.mapped)
	n.port += 100
}
