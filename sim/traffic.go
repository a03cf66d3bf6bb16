package sim

import "github.com/weftnet/weft/encap"

// Kind is what control traffic is for.
type Kind uint8

// The kinds of control traffic.
const (
	Handshakes Kind = iota
	Probes
	LinkStates
	Claims   // in packets and in streams
	Offers   // of candidates
	Relays   // the fronts of relay frames, of one's own frames and of others'
	kindsEnd // none
)

// overhead is what the underlay adds to a frame: IPv4 and UDP headers. Streams are counted with a share of theirs.
const overhead = 20 + 8

// traffic is what a node has sent since it started: bytes and packets by kind, with the headers of the underlay.
type traffic struct {
	Bytes   [kindsEnd]uint64
	Packets [kindsEnd]uint64
}

func (t *traffic) count(k Kind, frame int) {
	t.Packets[k]++
	if t.Bytes[k] += uint64(frame); k != Relays { // a front has no headers of its own
		t.Bytes[k] += overhead
	}
}

// Sent is what the node has sent of a kind since it started, in bytes with the headers of the underlay.
func (n *Node) Sent(k Kind) uint64 { return n.traffic.Bytes[k] }

// String is what the kind is called in tables.
func (k Kind) String() string {
	return [...]string{"handshakes", "probes", "link state", "claims", "offers", "relay fronts"}[k]
}

// kindOf is the kind of a control frame.
func kindOf(k encap.ControlKind) Kind {
	switch k {
	case encap.LinkState:
		return LinkStates
	case encap.Gossip:
		return Claims
	case encap.Candidates:
		return Offers
	}
	return Probes
}

// nameOf is what a control frame is called in reports.
func nameOf(k encap.ControlKind) string {
	switch k {
	case encap.Probe:
		return "probe"
	case encap.ProbeReply:
		return "probe reply"
	case encap.Goodbye:
		return "goodbye"
	}
	return kindOf(k).String()
}
