package router

import (
	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// relay takes a relay frame, in the lane that its sender's lane belongs to: what is for this node as a frame from the relayed endpoint
// of its source, the rest goes on.
func (v *receiver) relay(from encap.Endpoint, h encap.Header, b []byte, ecn uint8) {
	if lanes := v.l.r.lanes; len(lanes) > 1 && int(h.Lane)%len(lanes) != int(v.l.id) {
		v.misdirected(lanes[int(h.Lane)%len(lanes)], from, b, ecn)
		return
	}
	if encap.IsRelayed(from.Addr.Addr()) { // in another one
		v.l.in.drop(RelayLooped, 1)
		return
	}
	s := v.hop(h.Index)
	if s == nil {
		v.unknown(UnknownIndex, from, h.Lane)
		return
	}
	if !s.keys.Sealed && !s.peer.isAt(from, h.Lane) { // as with data: a path in clear is moved by control alone, which knows what is barred
		v.l.in.drop(WrongEndpoint, 1)
		return
	}
	head, inner, err := s.keys.OpenRelay(b)
	if err != nil {
		v.l.in.drop(refusal(err), 1)
		return
	}
	v.authenticated(s, from, h.Lane)
	source, reason := v.relayed(&head)
	switch {
	case source == nil:
		v.l.in.drop(reason, 1)
	case head.Destination == v.l.r.number:
		v.through = s.peer
		v.frame(source.relayedAt, inner, ecn)
		v.through = nil
	default:
		v.carry(s.peer, source, &head, b, ecn)
	}
}

// hop is the session of an index. The frames of one batch mostly have one.
func (v *receiver) hop(index uint32) *binding {
	if v.hopOf == nil || v.hopOf.keys.LocalIndex != index {
		v.hopOf = v.l.r.indexes.lookup(index)
	}
	return v.hopOf
}

// relayed is the source of a relay frame; nil: the frame is dropped for that reason.
func (v *receiver) relayed(h *encap.RelayHead) (*peer, Reason) {
	if circles(h, v.l.r.number) {
		return nil, RelayLooped
	}
	return v.table.numbers[h.Source], RelayStranger
}

// circles reports whether a frame would come to a node for the second time, this one being self, or may not go as far as it says.
func circles(h *encap.RelayHead, self trust.Number) bool {
	further := &h.Further
	switch {
	case h.Source == self, h.Source == h.Destination, further.Has(self), further.Has(h.Source), further.Has(h.Destination), further.Repeats():
		return true
	case h.Destination == self:
		return further.Len() > 0
	}
	return int(h.HopLimit) <= further.Len() || h.HopLimit > encap.MaxRelays
}

// carry sends a frame of another source to the next node on its way, if this node may and can. It came from a hop.
func (v *receiver) carry(hop, source *peer, head *encap.RelayHead, b []byte, ecn uint8) {
	limit := v.l.r.relaying.Load()
	was, next := head.FrontLen(), head.Destination
	if first, rest, ok := head.Further.Next(); ok {
		next, head.Further = first, rest
	}
	to := v.table.numbers[next]
	way := hopTo(to)
	if reason, ok := carries(limit, hop, to, way); !ok {
		v.l.in.drop(reason, 1)
		return
	}
	if !source.carry.take(limit, len(b), v.now) {
		v.l.in.drop(RelayLimited, 1)
		return
	}
	head.HopLimit--
	head.Lane = way.lane(v.l.id)
	at := was - head.FrontLen()
	if _, err := way.keys.SealRelay(b[at:at], head); err != nil {
		v.l.in.drop(refusal(err), 1)
		return
	}
	hop.carried.Store(v.now)
	to.carried.Store(v.now)
	v.forward.add(forwarded{hop: way, source: source, lane: head.Lane, ecn: ecn, dscp: v.dscp}, b[at:])
}

// carries reports whether frames that came from a hop go on to a peer, by way, or the reason for which they are dropped.
func carries(limit *Relaying, from, to *peer, way hop) (Reason, bool) {
	switch {
	case limit.Refuse:
		return RelayRefused, false
	case to == from:
		return RelayLooped, false
	case !way.open():
		return RelayNoWay, false
	}
	return 0, true
}
