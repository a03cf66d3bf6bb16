package router

import (
	"net/netip"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router/alive"
)

// probeLog remembers when the latest probes were sent, for the round trip time.
type probeLog struct {
	last    uint64
	sent    [16]time.Time // by id modulo its length
	rekeyed time.Time     // last initiation of a rekey
}

func (l *probeLog) next(now time.Time) uint64 {
	l.last++
	l.sent[l.last%uint64(len(l.sent))] = now
	return l.last
}

// roundTrip is the time since probe id was sent; false if it was not, or too long ago.
func (l *probeLog) roundTrip(id uint64, now time.Time) (time.Duration, bool) {
	if id == 0 || id > l.last || l.last-id >= uint64(len(l.sent)) {
		return 0, false
	}
	return now.Sub(l.sent[id%uint64(len(l.sent))]), true
}

// handleControl takes a frame of a known session.
func (r *Router) handleControl(m message) {
	m.binding.waiting.Add(-1)
	r.noteLong(m.frame, -1)
	kind, body, err := m.binding.keys.OpenControl(m.frame)
	if err != nil {
		r.ctl.drop(refusal(err), 1)
		return
	}
	p := m.binding.peer
	if r.peers[p.id] != p {
		r.ctl.drop(UnknownIndex, 1) // forgotten since the lane looked
		return
	}
	if r.turnsAway(p, m.from) {
		return
	}
	r.touch(p)
	r.confirm(m.binding)
	if kind == encap.Goodbye || kind == encap.Pause {
		if m.binding.keys == p.session.Current() { // a farewell under earlier keys is of an earlier run
			r.takeFarewell(p, kind)
		}
		return
	}
	if kind == encap.DialBack { // it comes from a port of its own, where nobody listens
		r.takeDial(p, kind, m.from, body)
		return
	}
	shown := heard
	if kind == encap.ProbeReply {
		shown = answered
	}
	r.heardFrom(p, m.from, shown)
	switch kind {
	case encap.Probe:
		r.answerProbe(p, m.from, body)
	case encap.ProbeReply:
		r.takeReply(p, m.from, body)
	case encap.Gossip:
		r.takeGossip(p, body)
	case encap.DialRequest, encap.DialResponse:
		r.takeDial(p, kind, m.from, body)
	case encap.SizeProbe:
		r.answerSize(p, m.from, body)
	case encap.SizeReply:
		r.takeSize(p, body)
	case encap.Trace:
		r.answerTrace(p, m, body)
	case encap.TraceReply:
		r.takeTrace(p, body)
	case encap.SecretQuestion, encap.SecretReply:
		r.takeSecret(p, kind, body)
	case encap.Candidates:
		r.takeOffer(p, body)
	case encap.SpliceCall:
		r.takeSplice(p, body)
	case encap.LinkState:
		r.takeLinkState(p, m.from, body)
	default:
		r.ctl.drop(UnknownType, 1)
	}
}

// confirm makes keys that an authenticated frame came under the session's current ones.
func (r *Router) confirm(b *binding) {
	if !b.confirmed.Swap(true) {
		b.peer.session.Confirmed(b.keys, r.now())
	}
}

func (r *Router) answerProbe(p *peer, from encap.Endpoint, body []byte) {
	q, err := encap.ParseProbe(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	r.noteSeenAs(p, q.Observed, from)
	r.noteClock(p, q.Clock)
	r.sendProbe(p, encap.ProbeReply, from, q.ID)
}

func (r *Router) takeReply(p *peer, from encap.Endpoint, body []byte) {
	q, err := encap.ParseProbe(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	r.noteSeenAs(p, q.Observed, from)
	now := r.now()
	if rtt, ok := p.probes.roundTrip(q.ID, now); ok {
		r.takeRoundTrip(p, q.ID, from, rtt, now)
	}
	r.noteClock(p, q.Clock)
}

// takeRoundTrip notes how long the answer to a probe took, on the way that it came.
func (r *Router) takeRoundTrip(p *peer, id uint64, from encap.Endpoint, rtt time.Duration, now time.Time) {
	if _, relayed := from.Relayed(); relayed {
		r.takeRelayedReply(p, id, rtt, now)
		return
	}
	p.rtt = alive.Smooth(p.rtt, rtt)
	p.meter.Answered(id)
}

// noteSeenAs notes where the peer sees us, by a frame that came from an endpoint; its Local is our address that the peer addressed. Where
// these differ, our addresses are translated on the way, and so would be each lane's source port, on its own and perhaps to another
// address: all frames then travel in lane 0. A frame that came through relays tells nothing.
func (r *Router) noteSeenAs(p *peer, seenAs netip.AddrPort, from encap.Endpoint) {
	if !seenAs.IsValid() || encap.IsRelayed(from.Addr.Addr()) {
		return
	}
	p.seenAs = seenAs
	lanes := uint8(len(r.lanes))
	if seenAs.Port() != r.cfg.Port.Port() || from.Local.IsValid() && seenAs.Addr() != from.Local {
		lanes = 1
	}
	p.lanes = lanes
	if old := p.path.Load(); old != nil && old.lanes != lanes && old.route == nil {
		next := *old
		next.lanes = lanes
		p.path.Store(&next)
	}
	if old := p.direct.Load(); old != nil && old.lanes != lanes {
		p.direct.Store(&direct{endpoint: old.endpoint, lanes: lanes, up: old.up})
	}
}

// noteClock notes how far the peer's clock is ahead of ours. The frame was half a round trip on its way; what the two ways
// differ in is the error.
func (r *Router) noteClock(p *peer, milliseconds int64) {
	if milliseconds != 0 {
		p.skew, p.skewKnown = time.UnixMilli(milliseconds).Add(p.roundTrip()/2).Sub(r.now()), true
	}
}

// sendProbe sends a probe or its answer. Both tell the peer where it is seen, if it is, and what our clock says.
func (r *Router) sendProbe(p *peer, kind encap.ControlKind, to encap.Endpoint, id uint64) {
	r.sendControl(p, kind, encap.ProbeBody{ID: id, Observed: underlay(to), Clock: r.now().UnixMilli()}.Append(nil), to)
}

func (r *Router) sendControl(p *peer, kind encap.ControlKind, body []byte, to encap.Endpoint) bool {
	keys := p.session.Current()
	if keys == nil {
		return false
	}
	frame, err := keys.SealControl(r.frame[:0], kind, body)
	if err != nil {
		r.ctl.drop(KeyExhausted, 1)
		return false
	}
	r.transmit(frame, to)
	return true
}

// Announce tells all peers that this node's underlay addresses changed: every path leaves our own address to the kernel
// again, and a probe shows the peer where we are now. It does not wait.
func (r *Router) Announce() {
	r.moved.Store(true)
	r.post(func() {}) // a full mailbox makes control step as well
}

// announce does what Announce asked for.
func (r *Router) announce() {
	if !r.moved.Swap(false) {
		return
	}
	r.schedule.touchAll()
	for _, p := range r.peers {
		if p.link.Up() {
			r.lead(p, encap.Endpoint{Addr: p.at().Addr})
			r.probeDirect(p, r.now())
		} else {
			p.link.CallSoon(r.now())
		}
	}
}

// goodbye tells all peers that this node stops. The lane sends nothing any more by then: a frame behind the goodbye would
// be lost.
func (r *Router) goodbye() {
	endpoints := make(map[*peer]encap.Endpoint, len(r.peers))
	for _, p := range r.peers {
		switch path := p.path.Load(); {
		case path == nil:
		case path.route != nil: // before the first relay forgets this node
			r.sendControl(p, encap.Goodbye, nil, path.endpoint)
			p.path.Store(nil)
		default:
			endpoints[p] = path.endpoint
		}
	}
	for p := range endpoints {
		p.path.Store(nil)
	}
	for p, at := range endpoints {
		r.sendControl(p, encap.Goodbye, nil, at)
	}
}
