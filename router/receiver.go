package router

import (
	"bytes"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
)

// receiver is the inbound half of a lane: it takes frames apart and writes their packets to the device in batches. Only
// the inbound loop uses it.
type receiver struct {
	l     *lane
	table *snapshot
	now   int64
	batch []packet.Superpacket // packets that wait to be written; they lie in the batch of datagrams
	bytes int
}

func (v *receiver) init(l *lane) {
	v.l = l
	v.batch = make([]packet.Superpacket, 0, 256)
}

func (v *receiver) begin(table *snapshot, now int64) { v.table, v.now = table, now }

// datagram takes the frames of one received unit.
func (v *receiver) datagram(d *encap.Datagram) {
	if d.Size <= 0 || d.Size >= len(d.Data) {
		v.frame(d.From, d.Data, d.ECN)
		return
	}
	for rest := d.Data; len(rest) > 0; {
		n := min(d.Size, len(rest))
		v.frame(d.From, rest[:n], d.ECN)
		rest = rest[n:]
	}
}

// frame takes one frame, wherever it came from: data to the device, all else to control.
func (v *receiver) frame(from encap.Endpoint, b []byte, ecn uint8) {
	h, err := encap.ParseHeader(b)
	if err != nil {
		v.l.in.drop(refusal(err), 1)
		return
	}
	switch h.Type {
	case encap.Data:
		v.data(from, h, b, ecn)
	case encap.Control:
		binding := v.l.r.indexes.lookup(h.Index)
		if binding == nil {
			v.l.in.drop(UnknownIndex, 1)
			return
		}
		v.hand(v.l.r.control, message{typ: h.Type, from: from, binding: binding}, b)
	case encap.Initiation, encap.Response:
		v.hand(v.l.r.handshakes, message{typ: h.Type, from: from}, b)
	case encap.GossipType:
		v.hand(v.l.r.hearsay, message{typ: h.Type, from: from}, b)
	default:
		v.l.in.drop(UnknownType, 1)
	}
}

// hand gives control a copy of a frame.
func (v *receiver) hand(to chan<- message, m message, b []byte) {
	if len(b) > maxControlFrame {
		v.l.in.drop(BadFrame, 1)
		return
	}
	if len(to) == cap(to) { // no copy for what would be dropped
		v.l.in.drop(ControlFull, 1)
		return
	}
	m.frame = bytes.Clone(b)
	select {
	case to <- m:
	default:
		v.l.in.drop(ControlFull, 1)
	}
}

// data takes a data frame: session, body, inner addresses, device.
func (v *receiver) data(from encap.Endpoint, h encap.Header, b []byte, ecn uint8) {
	s := v.l.r.indexes.lookup(h.Index)
	if s == nil {
		v.l.in.drop(UnknownIndex, 1)
		return
	}
	if !s.keys.Sealed && !v.fromPath(s.peer, from) {
		v.l.in.drop(WrongEndpoint, 1)
		return
	}
	inner, err := s.keys.OpenData(b)
	if err != nil {
		v.l.in.drop(refusal(err), 1)
		return
	}
	if s.keys.Sealed {
		v.authenticated(s, from, h.Lane)
	}
	s.peer.carried.Store(v.now)
	if reason, ok := v.admit(s.peer, inner, ecn); !ok {
		v.l.in.drop(reason, 1)
		return
	}
	if h.Partial() && !complete(inner) {
		v.l.in.drop(BadChecksum, 1)
		return
	}
	s.peer.rx.packets.Add(1)
	s.peer.rx.bytes.Add(uint64(len(inner)))
	v.put(inner)
}

// fromPath reports whether a clear frame comes from the session's endpoint.
func (v *receiver) fromPath(p *peer, from encap.Endpoint) bool {
	path := p.path.Load()
	return path != nil && path.endpoint.Addr == from.Addr
}

// authenticated notes that a sealed frame of the peer came; control hears of it when it changes something.
func (v *receiver) authenticated(s *binding, from encap.Endpoint, lane uint8) {
	path := s.peer.path.Load()
	if path != nil && path.endpoint.Addr == from.Addr {
		s.peer.heard.Store(v.now)
	}
	moved := path == nil || lane == 0 && path.endpoint != from && !s.peer.strays(from)
	if s.confirmed.Load() && !moved {
		return
	}
	if s.told.Swap(true) { // one call for the session at a time: the mailbox is for others, too
		return
	}
	r := v.l.r
	posted := r.post(func() {
		s.told.Store(false)
		if r.peers[s.peer.id] == s.peer && r.indexes.lookup(s.keys.LocalIndex) == s {
			r.confirm(s)
			r.heardFrom(s.peer, from, false)
		}
	})
	if !posted {
		s.told.Store(false)
	}
}

// admit decides whether an inner packet may go to the device.
func (v *receiver) admit(from *peer, inner []byte, ecn uint8) (Reason, bool) {
	src, dst, ok := packet.Addrs(inner)
	switch {
	case !ok || !whole(inner):
		return InnerMalformed, false
	case v.table.owner(src) != from:
		return SpoofedSource, false
	case !v.table.local.Contains(dst):
		return NotLocal, false
	case ecn == ecnCE && !carryCE(inner):
		return CongestionLost, false
	}
	return 0, true
}

// complete computes a partial checksum of an inner packet; false: it cannot have one.
func complete(inner []byte) bool {
	start, offset, err := packet.PartialChecksum(inner)
	return err == nil && packet.CompleteChecksum(inner, start, offset) == nil
}

func (v *receiver) put(inner []byte) {
	if len(v.batch) == cap(v.batch) {
		v.flush()
	}
	v.batch = append(v.batch, packet.Superpacket{Data: inner})
	v.bytes += len(inner)
}

// flush writes the packets that wait.
func (v *receiver) flush() {
	if len(v.batch) == 0 {
		return
	}
	written, err := v.l.dev.Load().queue.Write(v.batch)
	if err != nil {
		v.l.in.drop(DeviceRefused, len(v.batch)-written)
	}
	v.l.in.packets.Add(uint64(written))
	v.l.in.bytes.Add(uint64(v.bytes))
	clear(v.batch)
	v.batch, v.bytes = v.batch[:0], 0
}
