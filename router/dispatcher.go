package router

import (
	"bytes"

	"github.com/weftnet/weft/encap"
)

// dispatcher takes frames that carry no packets: what is none ends here, and the rest is for control, or for the goroutines that do
// curve work. The control port has one and so does each lane, to which such frames come where the port has no control socket. One
// loop uses it.
type dispatcher struct {
	r     *Router
	in    *counters // of the loop
	table *snapshot
	now   int64 // clock
	dscp  uint8 // of the datagram that is being taken

	through *peer // the relay that the frame came from; nil: it came straight
}

func (d *dispatcher) init(r *Router, in *counters) { d.r, d.in = r, in }

// begin prepares for one batch.
func (d *dispatcher) begin(table *snapshot, now int64) { d.table, d.now = table, now }

// forged reports, and counts, that a datagram pretends to have come through relays.
func (d *dispatcher) forged(from encap.Endpoint) bool {
	if !encap.IsRelayed(from.Addr.Addr()) {
		return false
	}
	d.in.drop(RelayForged, 1)
	return true
}

// dispatch takes one frame, wherever it came from.
func (d *dispatcher) dispatch(from encap.Endpoint, h encap.Header, b []byte) {
	switch h.Type {
	case encap.Control:
		d.control(from, h, b)
	case encap.Initiation, encap.Response, encap.Cookie:
		d.handshake(from, h, b)
	case encap.GossipType:
		d.hand(d.r.hearsay, message{typ: h.Type, from: from}, b)
	default:
		d.in.drop(UnknownType, 1)
	}
}

// maxControlOf is how many control frames of one session may wait for control. Who has seen a frame can forge others that claim to be
// of the session: they take no room from other sessions.
const maxControlOf = 64

// maxRelayedControlOf is how many of them come through relays. A relay sees the index of each session that it carries, and can forge
// frames of it: they leave room for what comes straight.
const maxRelayedControlOf = maxControlOf / 2

// control takes a control frame of a known session.
func (d *dispatcher) control(from encap.Endpoint, h encap.Header, b []byte) {
	binding := d.r.indexes.lookup(h.Index)
	if binding == nil {
		d.unknown(UnknownIndex, from, h.Lane)
		return
	}
	most := int32(maxControlOf)
	if d.through != nil {
		most = maxRelayedControlOf
	}
	if binding.waiting.Add(1) > most {
		binding.waiting.Add(-1)
		d.in.drop(ControlFull, 1)
		return
	}
	if len(b) > maxControlFrame && !d.admitsLong(binding) || !d.hand(d.r.control, message{typ: h.Type, from: from, through: d.through, binding: binding}, b) {
		binding.waiting.Add(-1)
	}
}

// maxLongFrames is how many control frames may wait that are longer than maxControlFrame: probes of sizes. They take 4 MiB at most.
const maxLongFrames = 64

// admitsLong reports whether a frame of a session may be longer than maxControlFrame now. false: it was dropped.
func (d *dispatcher) admitsLong(of *binding) bool {
	switch {
	case !of.keys.Parts():
		d.in.drop(BadFrame, 1)
		return false
	case d.r.probing.Load() >= maxLongFrames: // each loop may be one beyond it
		d.in.drop(ControlFull, 1)
		return false
	}
	return true
}

// hand gives control a copy of a frame. false: it was dropped.
func (d *dispatcher) hand(to chan<- message, m message, b []byte) bool {
	if len(b) > maxControlFrame && m.binding == nil {
		d.in.drop(BadFrame, 1)
		return false
	}
	if len(to) == cap(to) { // no copy for what would be dropped
		d.in.drop(ControlFull, 1)
		return false
	}
	m.frame = bytes.Clone(b)
	d.r.noteLong(b, 1)
	select {
	case to <- m:
		return true
	default:
		d.r.noteLong(b, -1)
		d.in.drop(ControlFull, 1)
		return false
	}
}

// noteLong counts a frame that waits, or does not any more, if it is long.
func (r *Router) noteLong(b []byte, n int32) {
	if len(b) > maxControlFrame {
		r.probing.Add(n)
	}
}
