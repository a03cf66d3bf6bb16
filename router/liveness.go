package router

import (
	"net/netip"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/trust"
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
	if r.takeProof(p, kind, &m, body) {
		return
	}
	r.heardFrom(p, m.from, heard)
	r.takeBody(p, kind, &m, body)
}

// takeProof takes a frame of a kind that shows more of its way than that it came, or less. false: it is of another kind.
func (r *Router) takeProof(p *peer, kind encap.ControlKind, m *message, body []byte) bool {
	switch kind {
	case encap.Goodbye, encap.Pause:
		if m.binding.keys == p.session.Current() { // a farewell under earlier keys is of an earlier run
			r.takeFarewell(p, kind)
		}
	case encap.DialBack: // it comes from a port of its own, where nobody listens
		r.takeDial(p, kind, m.from, body)
	case encap.Probe, encap.ProbeReply:
		r.takeProbe(p, kind, m, body)
	default:
		return false
	}
	return true
}

// takeBody takes a frame of any other kind.
func (r *Router) takeBody(p *peer, kind encap.ControlKind, m *message, body []byte) {
	switch kind {
	case encap.Gossip:
		r.takeGossip(p, body)
	case encap.DialRequest, encap.DialResponse:
		r.takeDial(p, kind, m.from, body)
	case encap.SizeProbe:
		r.answerSize(p, m.from, body)
	case encap.SizeReply:
		r.takeSize(p, body)
	case encap.Trace:
		r.answerTrace(p, *m, body)
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

// takeProbe takes a probe or the answer to one. What it is for decides whether it moves the path.
func (r *Router) takeProbe(p *peer, kind encap.ControlKind, m *message, body []byte) {
	q, err := encap.ParseProbe(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	now := r.now()
	shown := r.shownBy(p, kind, &q)
	if shown != compared {
		r.noteSeenAs(p, q.Observed, m.from)
	}
	r.heardFrom(p, m.from, shown)
	defer r.noteClock(p, q.Clock) // after the round trip, which it is judged by
	switch {
	case kind == encap.Probe:
		r.answerProbe(p, m, q.ID)
		if shown == compared {
			p.rivals.Heard(now, m.from)
		} else {
			r.notePersistence(p, m.from, now)
		}
	case shown == compared:
		p.rivals.Answered(now, q.ID, m.from, r.translates(q.Observed, m.from))
	default:
		r.takeReply(p, m.from, q.ID, now)
	}
}

// shownBy is what a probe, or the answer to one, shows of its way.
func (r *Router) shownBy(p *peer, kind encap.ControlKind, q *encap.ProbeBody) proof {
	switch {
	case kind == encap.ProbeReply && p.link.Up() && p.rivals.Compares(q.ID), kind == encap.Probe && q.Purpose == encap.ProbeCompares:
		return compared
	case kind == encap.ProbeReply:
		return answered
	case q.Purpose == encap.ProbeLeads && p.latestLead(q.ID):
		return led
	}
	return heard
}

// answerProbe answers a probe to where it came from: through relays by the last one that it passed, if link state says that it reaches the
// peer, so that the peer learns how its way does, and not how ours does.
func (r *Router) answerProbe(p *peer, m *message, id uint64) {
	if m.through != nil && m.from == p.relayedAt {
		back, err := r.newRoute(p, m.through)
		if _, ok := r.links.engine.Cost(p.id, []trust.Fingerprint{m.through.id}); ok && err == nil {
			r.sendProbeBy(p, back, id)
			return
		}
	}
	r.sendProbe(p, encap.ProbeReply, m.from, id)
}

// sendProbeBy sends the answer to a probe along a route.
func (r *Router) sendProbeBy(p *peer, by *route, id uint64) {
	keys := p.session.Current()
	if keys == nil {
		return
	}
	frame, err := keys.SealControl(r.frame[:0], encap.ProbeReply, r.probeBody(p.relayedAt, id, 0))
	if err != nil {
		r.ctl.drop(KeyExhausted, 1)
		return
	}
	if t, ok := wrapBy(by, frame); ok {
		r.sendTrains([]encap.Train{t})
		return
	}
	r.ctl.drop(RelayDown, 1)
}

// takeReply notes how long the answer to a probe took.
func (r *Router) takeReply(p *peer, from encap.Endpoint, id uint64, now time.Time) {
	if rtt, ok := p.probes.roundTrip(id, now); ok {
		r.takeRoundTrip(p, id, from, rtt, now)
	}
	if m, ok := p.rivals.Agreed(now, id); ok {
		r.move(p, m, now)
	}
}

// takeRoundTrip notes how long the answer to a probe took, on the way that it came.
func (r *Router) takeRoundTrip(p *peer, id uint64, from encap.Endpoint, rtt time.Duration, now time.Time) {
	if _, relayed := from.Relayed(); relayed {
		r.takeRelayedReply(p, id, rtt, now)
		return
	}
	if from.Addr == p.at().Addr { // however late it is, the peer hears us
		p.link.Answered(now.Add(-rtt))
	}
	switch {
	case id < p.fresh: // it may have waited at a peer that was stopped, for seconds, or is of where the link led before
		return
	case r.lag.isBehind(): // or here
		r.lag.noteTrip(rtt)
		return
	}
	if p.anew {
		p.rtt, p.anew = 0, false
	}
	p.rtt = alive.Smooth(p.rtt, rtt)
	p.meter.Answered(id, rtt)
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
	if r.translates(seenAs, from) {
		lanes = 1
	}
	p.lanes = lanes
	if old := p.path.Load(); old != nil && old.lanes != lanes && old.route == nil {
		next := *old
		next.lanes = lanes
		p.path.Store(&next)
	}
	if old := p.direct.Load(); old != nil && old.lanes != lanes {
		next := *old
		next.lanes = lanes
		p.direct.Store(&next)
	}
}

// translates reports whether addresses or ports of ours are translated on a way, by what the peer says of a frame's source.
func (r *Router) translates(seenAs netip.AddrPort, from encap.Endpoint) bool {
	return seenAs.IsValid() && (seenAs.Port() != r.cfg.Port.Port() || from.Local.IsValid() && seenAs.Addr() != from.Local)
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
	r.sendControl(p, kind, r.probeBody(to, id, 0), to)
}

func (r *Router) probeBody(to encap.Endpoint, id uint64, purpose encap.ProbePurpose) []byte {
	return encap.ProbeBody{ID: id, Observed: underlay(to), Clock: r.now().UnixMilli(), Purpose: purpose}.Append(nil)
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
