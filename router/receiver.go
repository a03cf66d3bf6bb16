package router

import (
	"bytes"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
)

// receiver is the inbound half of a lane: it takes frames apart, joins their packets to superpackets and writes these to the
// device. Only the loop that serves the port uses it.
type receiver struct {
	dispatcher // for frames without packets
	l          *lane
	dev        *attachment
	joined     *packet.Coalescer // packets that wait to be written; they lie in the batch of datagrams

	packets bool // the batch brought some for the device
	source  source
	hopOf   *binding // of the last relay frame; nil: look it up
	forward forwarder
	pair    pair

	rejoiner encap.Rejoiner // what it gives out lies there as in the batch
}

// source is the session of the frames that are being taken, as long as they come from one endpoint under one index.
type source struct {
	from           encap.Endpoint
	index          uint32
	lane           uint8
	binding        *binding // nil: look it up
	packets, bytes uint64   // accepted, and not yet counted for the peer
}

// pair is the pair of addresses that was admitted last.
type pair struct {
	peer  *peer
	addrs [32]byte
	n     int // bytes of addrs: 8 or 32; 0: none
}

func (v *receiver) init(l *lane) {
	v.l, v.forward.l = l, l
	v.dispatcher.init(l.r, &l.in)
}

// begin prepares for one batch.
func (v *receiver) begin(table *snapshot, dev *attachment, now int64) {
	v.dispatcher.begin(table, now)
	v.packets = false
	if lost := v.rejoiner.Release(now); lost > 0 {
		v.l.in.drop(PartMissing, lost)
	}
	v.pair.n, v.hopOf = 0, nil
	if v.dev != dev {
		v.dev = dev
		v.joined = packet.NewCoalescer(packet.CoalescerOptions{TCP: dev.joins.TCP, UDP: dev.joins.UDP})
	}
}

// datagram takes the frames of one received unit.
func (v *receiver) datagram(d *encap.Datagram) {
	v.l.turns.datagrams++
	if v.forged(d.From) {
		return
	}
	v.dscp = d.DSCP
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
	v.l.turns.frames++
	h, err := encap.ParseHeader(b)
	if err != nil {
		v.l.in.drop(refusal(err), 1)
		return
	}
	switch h.Type {
	case encap.Data:
		v.data(from, h, b, ecn)
	case encap.Part:
		v.part(from, h, b, ecn)
	case encap.Relay:
		v.relay(from, h, b, ecn)
	default:
		v.dispatch(from, h, b)
	}
}

// data takes a data frame: session, body, inner addresses, device.
func (v *receiver) data(from encap.Endpoint, h encap.Header, b []byte, ecn uint8) {
	if lanes := v.l.r.lanes; len(lanes) > 1 && int(h.Lane)%len(lanes) != int(v.l.id) {
		v.misdirected(lanes[int(h.Lane)%len(lanes)], from, b, ecn)
		return
	}
	s, reason := v.session(from, h)
	if s == nil {
		v.unknown(reason, from, h.Lane)
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
	if reason, ok := v.admit(s.peer, inner, ecn); !ok {
		v.l.in.drop(reason, 1)
		return
	}
	v.put(inner, h.Partial())
}

func (v *receiver) misdirected(to *lane, from encap.Endpoint, b []byte, ecn uint8) {
	v.l.turns.misdirected.Add(1)
	if !to.handOver(stray{from: from, frame: b, ecn: ecn, dscp: v.dscp}) {
		v.l.in.drop(WrongLane, 1)
	}
}

// session finds the session of a data frame; a clear one must come from the session's endpoint. Frames of one train are
// asked about once.
func (v *receiver) session(from encap.Endpoint, h encap.Header) (*binding, Reason) {
	s := &v.source
	if s.binding != nil && s.index == h.Index && s.lane == h.Lane && s.from == from {
		return s.binding, 0
	}
	v.settle()
	found := v.l.r.indexes.lookup(h.Index)
	switch {
	case found == nil:
		return nil, UnknownIndex
	case !found.keys.Sealed && !found.peer.isAt(from, h.Lane):
		return nil, WrongEndpoint
	}
	*s = source{from: from, index: h.Index, lane: h.Lane, binding: found}
	return found, 0
}

// settle counts for the peer what came from the present source, and forgets that.
func (v *receiver) settle() {
	if s := &v.source; s.binding != nil && s.packets > 0 {
		s.binding.peer.carried.Store(v.now)
		s.binding.peer.rx.packets.Add(s.packets)
		s.binding.peer.rx.bytes.Add(s.bytes)
		v.l.in.bytes.Add(s.bytes)
	}
	v.source.binding = nil
}

// authenticated notes that a sealed frame of the peer came; control hears of it when it changes something. Endpoints are
// learnt from lane 0 only: the others' source ports lead nowhere.
func (v *receiver) authenticated(s *binding, from encap.Endpoint, lane uint8) {
	direct := s.peer.direct.Load()
	switch {
	case direct.leadsTo(from, lane):
		s.peer.heard.Store(v.now)
	case from == s.peer.relayedAt:
		s.peer.relayed.Store(v.now)
	}
	moved := lane == 0 && s.peer.moved(direct, from)
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
			r.touch(s.peer)
			r.confirm(s)
			if lane == 0 {
				r.heardFrom(s.peer, from, heard)
			}
		}
	})
	if !posted {
		s.told.Store(false)
	}
}

// admit decides whether an inner packet may go to the device. Packets between the addresses of the one before differ only in
// what carries on per packet.
func (v *receiver) admit(from *peer, inner []byte, ecn uint8) (Reason, bool) {
	if !whole(inner) {
		return InnerMalformed, false
	}
	if reason, ok := v.admitAddrs(from, inner); !ok {
		return reason, false
	}
	if ecn == ecnCE && !carryCE(inner) {
		return CongestionLost, false
	}
	return 0, true
}

// admitAddrs decides by the addresses of a whole packet.
func (v *receiver) admitAddrs(from *peer, inner []byte) (Reason, bool) {
	addrs := inner[12:20]
	if inner[0]>>4 == 6 {
		addrs = inner[8:40]
	}
	f := &v.pair
	if f.n == len(addrs) && f.peer == from && bytes.Equal(f.addrs[:f.n], addrs) {
		return 0, true
	}
	f.n = 0
	src, dst, _ := packet.Addrs(inner)
	if reason, ok := v.table.admits(from, src, dst); !ok {
		return reason, false
	}
	f.peer, f.n = from, copy(f.addrs[:], addrs)
	return 0, true
}

// put joins a packet to those that wait.
func (v *receiver) put(inner []byte, partial bool) {
	err := v.joined.Add(inner, partial)
	if err == packet.ErrFull {
		v.write()
		err = v.joined.Add(inner, partial)
	}
	if err != nil {
		v.l.in.drop(BadChecksum, 1)
		return
	}
	v.packets = true
	v.source.packets++
	v.source.bytes += uint64(len(inner))
}

// flush ends a batch: it writes the packets that wait.
func (v *receiver) flush() {
	v.settle()
	v.write()
	v.forward.flush()
	v.l.turns.received()
}

// write hands the packets that wait to the device: one by one to one that takes superpackets, so that what it refuses is
// counted by segments; else all at once, for it joins them itself.
func (v *receiver) write() {
	packets := v.joined.Packets()
	step := len(packets)
	if v.dev.joins.TCP || v.dev.joins.UDP {
		step = 1
	}
	queue := v.dev.queues[v.l.id]
	for ; len(packets) > 0; packets = packets[step:] {
		written, err := queue.Write(packets[:step])
		if err == nil {
			written = step
		}
		taken := segmentsOf(packets[:written])
		v.l.in.packets.Add(taken)
		v.l.in.drop(DeviceRefused, int(segmentsOf(packets[:step])-taken))
		v.l.turns.written += uint64(written)
	}
	v.joined.Reset()
}

// segmentsOf is the number of packets that came as frames.
func segmentsOf(batch []packet.Superpacket) (n uint64) {
	for i := range batch {
		n += uint64(max(1, len(batch[i].Tail)))
	}
	return n
}
