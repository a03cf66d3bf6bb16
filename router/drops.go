package router

import "sync/atomic"

// Reason says why a packet or frame was not delivered.
type Reason uint8

// The drop reasons, in the order of a packet's way.
const (
	// Outbound: from the device towards a peer.
	Unreadable       Reason = iota // the driver could not make sense of what the kernel handed over
	Malformed                      // not an IPv4 or IPv6 packet, or a superpacket that cannot be cut
	Multicast                      // multicast, broadcast and link-local destinations are not carried
	ForeignSource                  // the source is not in what this node owns
	NoRoute                        // no peer owns the destination
	PeerDown                       // the owner has no working path or no session
	QueueFull                      // the owner's session is about to come, and too much waits for it already
	QueueStale                     // waited too long for the owner's session
	KeyExhausted                   // the key's counter reached its end before a rekey
	TooBig                         // the underlay route refused the frame as too big
	Unreachable                    // the underlay has no way to the endpoint
	SendFailed                     // any other error of the send
	RelayDown                      // the way is through relays, and the first of them has no working path
	BadFrame                       // inbound: too short, or not of a frame's shape
	UnknownVersion                 // a frame version this node does not speak
	UnknownType                    // a frame type this node does not know
	UnknownIndex                   // no session of that index
	WrongLane                      // a lane the session does not have
	WrongEndpoint                  // a clear data frame from elsewhere than the session's endpoint
	PartMissing                    // a frame of which not all parts came in time
	ClearRefused                   // a clear frame in a sealed session
	AuthFailed                     // the tag does not verify
	Replayed                       // counter seen before, or older than the window
	UnknownFlags                   // a data frame with flags that this node does not know
	BadChecksum                    // a partial checksum in a packet that cannot have one
	CongestionLost                 // marked CE outside but not ECN-capable inside (RFC 6040)
	InnerMalformed                 // authenticated, but not an IP packet, or lengths that disagree
	SpoofedSource                  // the inner source is not in what the sender owns, or is standby for
	NotLocal                       // the inner destination is not in what this node owns
	DeviceRefused                  // the device did not take the packet
	ControlFull                    // the control mailbox was full
	HandshakeRefused               // a handshake frame that does not verify, or of an unknown key
	HandshakeLimited               // an initiation under load: without proof of its sender's address, or one too many of it
	GossipRefused                  // a gossip frame that does not verify
	GossipMisdated                 // a gossip frame of a member, from a clock that is days off
	GossipBarred                   // a gossip frame without a session where only certified nodes are taken, or of a node that is shut out
	PublicInClear                  // a handshake or control frame of a session in clear, from a public address
	RelayForged                    // a datagram whose own source is an address that means a way through relays
	RelayStranger                  // a relay frame in the name of a node that is no member, or whose number is another's, too
	RelayLooped                    // a relay frame that lists a node twice, more relays than it may pass, or one behind its destination
	RelayRefused                   // a relay frame for another, and this node relays for nobody
	RelayLimited                   // likewise, and its source sends more than this node relays for one
	RelayNoWay                     // likewise, and the next node on its way is not reached straight
	TraceLimited                   // a question of a trace, of a peer that asks more than this node answers
	UnknownPeer                    // a handshake of a member whose claim is not here yet; it is called once it is
	reasons                        // their number
)

var reasonNames = [reasons]string{
	Unreadable: "unreadable", Malformed: "malformed", Multicast: "multicast", ForeignSource: "foreign-source", NoRoute: "no-route",
	PeerDown: "peer-down", QueueFull: "queue-full", QueueStale: "queue-stale", KeyExhausted: "key-exhausted", TooBig: "too-big", Unreachable: "underlay-unreachable",
	SendFailed: "send-failed", BadFrame: "bad-frame", UnknownVersion: "unknown-version", UnknownType: "unknown-type",
	UnknownIndex: "unknown-index", WrongLane: "wrong-lane", WrongEndpoint: "wrong-endpoint",
	PartMissing: "part-missing", ClearRefused: "clear-refused", AuthFailed: "auth-failed", Replayed: "replayed", CongestionLost: "congestion-lost",
	UnknownFlags: "unknown-flags", BadChecksum: "bad-checksum",
	InnerMalformed: "inner-malformed", SpoofedSource: "spoofed-source", NotLocal: "not-local",
	DeviceRefused: "device-refused", ControlFull: "control-full", HandshakeRefused: "handshake-refused", UnknownPeer: "unknown-peer",
	HandshakeLimited: "handshake-limited",
	GossipRefused:    "gossip-refused",
	GossipMisdated:   "gossip-misdated",

	GossipBarred: "gossip-barred",

	PublicInClear: "public-in-clear",

	TraceLimited: "trace-limited",

	RelayDown: "relay-down", RelayForged: "relay-forged", RelayStranger: "relay-stranger", RelayLooped: "relay-looped",
	RelayRefused: "relay-refused", RelayLimited: "relay-limited", RelayNoWay: "relay-no-way",
}

// String is the reason's name in status, metrics and docs.
func (r Reason) String() string {
	if r >= reasons {
		return "unknown"
	}
	return reasonNames[r]
}

// Outbound reports whether packets on their way from the device to a peer are dropped for it; else it is on the way back.
func (r Reason) Outbound() bool { return r < BadFrame }

// Reasons lists every reason in order.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// counters are the totals of one goroutine's work; others only read them.
type counters struct {
	dropped        [reasons]atomic.Uint64
	packets, bytes atomic.Uint64 // delivered
	superpackets   atomic.Uint64
	split          atomic.Uint64 // packets whose frames went or came in parts
	calls          atomic.Uint64 // batches taken
	_              [64]byte      // keeps two loops' counters off one cache line
}

func (c *counters) drop(r Reason, n int) {
	if n > 0 {
		c.dropped[r].Add(uint64(n))
	}
}

// Traffic counts packets, superpackets by their segments. Of the router: those that port or device took; Bytes count what
// was offered to them. Of a peer: those that were sealed for it, or accepted from it.
type Traffic struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Batches uint64 `json:"batches"`
}

// Counters are the router's totals since it started.
type Counters struct {
	Out, In    Traffic
	Split      Split
	Dropped    map[Reason]uint64 // only reasons that occurred
	Handshakes Handshakes
	Moves      Moves
	Relayed    Traffic // frames of others that were sent on, with their fronts; no Batches
}

// Split counts packets whose frames went or came in parts.
type Split struct{ Out, In uint64 }

// Counters returns the totals. It may be called from any goroutine.
func (r *Router) Counters() Counters {
	c := Counters{Dropped: map[Reason]uint64{}, Handshakes: r.handshakeCounts(), Moves: r.moves.counts()}
	c.count(&r.ctl)
	for _, l := range r.lanes {
		c.Out.add(l.out.traffic())
		c.In.add(l.in.traffic())
		c.Split.Out += l.out.split.Load()
		c.Split.In += l.in.split.Load()
		c.Relayed.add(Traffic{Packets: l.relayed.frames.Load(), Bytes: l.relayed.bytes.Load()})
		c.count(&l.out)
		c.count(&l.in)
	}
	if r.controlPort != nil {
		c.count(&r.controlPort.counters)
	}
	if n := r.unreadable(); n > 0 {
		c.Dropped[Unreadable] += n
	}
	return c
}

// count adds the drops of a part.
func (c *Counters) count(part *counters) {
	for i := range part.dropped {
		if n := part.dropped[i].Load(); n > 0 {
			c.Dropped[Reason(i)] += n
		}
	}
}

func (t *Traffic) add(o Traffic) {
	t.Packets += o.Packets
	t.Bytes += o.Bytes
	t.Batches += o.Batches
}

func (c *counters) traffic() Traffic {
	return Traffic{Packets: c.packets.Load(), Bytes: c.bytes.Load(), Batches: c.calls.Load()}
}
