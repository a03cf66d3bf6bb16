package router

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
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
	r.heardFrom(p, m.from, false)
	switch kind {
	case encap.Probe:
		r.answerProbe(p, m.from, body)
	case encap.ProbeReply:
		r.takeReply(p, m.from, body)
	case encap.Gossip:
		r.takeGossip(p, body)
	case encap.DialRequest, encap.DialResponse:
		r.takeDial(p, kind, m.from, body)
	case encap.SecretQuestion, encap.SecretReply:
		r.takeSecret(p, kind, body)
	case encap.SpliceCall:
		r.takeSplice(p, body)
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
	r.noteSeenAs(p, q.Observed, from.Local)
	r.noteClock(p, q.Clock)
	r.sendProbe(p, encap.ProbeReply, from, q.ID)
}

func (r *Router) takeReply(p *peer, from encap.Endpoint, body []byte) {
	q, err := encap.ParseProbe(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	r.noteSeenAs(p, q.Observed, from.Local)
	rtt, ok := p.probes.roundTrip(q.ID, r.now())
	switch {
	case !ok:
	case p.rtt == 0:
		p.rtt = rtt
	default:
		p.rtt += (rtt - p.rtt) / 8 // RFC 6298, alpha = 1/8
	}
	r.noteClock(p, q.Clock)
}

// noteSeenAs notes where the peer sees us; local is our address that it addressed. Where these differ, our addresses are
// translated on the way, and so would be each lane's source port, on its own and perhaps to another address: all frames then
// travel in lane 0.
func (r *Router) noteSeenAs(p *peer, seenAs netip.AddrPort, local netip.Addr) {
	if !seenAs.IsValid() { // through relays
		return
	}
	p.seenAs = seenAs
	lanes := uint8(len(r.lanes))
	if seenAs.Port() != r.cfg.Port.Port() || local.IsValid() && seenAs.Addr() != local {
		lanes = 1
	}
	p.lanes = lanes
	if old := p.path.Load(); old != nil && old.lanes != lanes && old.route == nil {
		p.path.Store(&path{endpoint: old.endpoint, lanes: lanes, suspended: old.suspended})
	}
}

// noteClock notes how far the peer's clock is ahead of ours. The frame was half a round trip on its way; what the two ways
// differ in is the error.
func (r *Router) noteClock(p *peer, milliseconds int64) {
	if milliseconds != 0 {
		p.skew, p.skewKnown = time.UnixMilli(milliseconds).Add(p.rtt/2).Sub(r.now()), true
	}
}

// sendProbe sends a probe or its answer. Both tell the peer where it is seen, and what our clock says.
func (r *Router) sendProbe(p *peer, kind encap.ControlKind, to encap.Endpoint, id uint64) {
	q := encap.ProbeBody{ID: id, Observed: to.Addr, Clock: r.now().UnixMilli()}
	if to == p.relayedAt { // it says nothing of where the peer is
		q.Observed = netip.AddrPort{}
	}
	r.sendControl(p, kind, q.Append(nil), to)
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

// heardFrom notes that an authenticated frame of p came from an endpoint: it raises a path that was down, and follows a
// peer that moved. settled: a handshake of ours was answered from there.
//
// Only what comes from the path's own endpoint shows that the path works: a peer with two addresses may be heard from one
// while the path leads to the other, which is dead.
func (r *Router) heardFrom(p *peer, from encap.Endpoint, settled bool) {
	p.pausing, p.suspended = false, false
	old := p.path.Load()
	switch {
	case !p.link.up:
		r.rise(p, from)
	case old.endpoint == from:
	case old.endpoint.Addr == from.Addr && (settled || !old.endpoint.Local.IsValid()):
		r.follow(p, from) // the peer is where it was; the address of ours that it calls is the one to send from
	case r.mayMove(p, from):
		r.follow(p, from)
		r.log.Info("router.path.moved", "peer", p.config.Name, "from", old.endpoint.Addr, "to", from.Addr)
		r.emit(Event{Kind: PathMoved, Peer: p.id, Name: p.config.Name, Endpoint: from.Addr})
	default:
		p.stray.Store(&from)
	}
	if now := p.path.Load(); now.suspended {
		r.follow(p, now.endpoint)
	}
	if p.path.Load().endpoint.Addr == from.Addr {
		p.heard.Store(r.clock())
	}
}

// mayMove decides whether a working path follows a frame from elsewhere. Between two endpoints that the peer claims
// only the side with the greater fingerprint moves; else two nodes that chose different ones would follow each other
// back and forth.
func (r *Router) mayMove(p *peer, from encap.Endpoint) bool {
	old := p.path.Load().endpoint
	if old.Addr == from.Addr { // only our own address differs
		return false
	}
	if from == p.relayedAt || old == p.relayedAt { // what is heard does not decide whether frames go through relays
		return false
	}
	claims := func(at netip.AddrPort) bool { return slices.Contains(p.config.Endpoints, at) }
	return !claims(from.Addr) || !claims(old.Addr) || bytes.Compare(r.self[:], p.id[:]) > 0
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
		if old := p.path.Load(); old != nil {
			r.follow(p, encap.Endpoint{Addr: old.endpoint.Addr})
			r.sendProbe(p, encap.Probe, p.path.Load().endpoint, p.probes.next(r.now()))
		} else {
			p.link.callSoon(r.now())
		}
	}
}

func (r *Router) rise(p *peer, from encap.Endpoint) {
	r.follow(p, from)
	p.link.rise()
	p.tried, p.reason, p.since, p.away = nil, "", r.now(), false
	r.log.Info("router.path.up", "peer", p.config.Name, "id", p.id.Short(), "endpoint", from.Addr)
	r.emit(Event{Kind: PathUp, Peer: p.id, Name: p.config.Name, Endpoint: from.Addr})
	r.sendProbe(p, encap.Probe, from, p.probes.next(r.now())) // for the round trip, and to confirm the keys to a responder
}

func (r *Router) down(p *peer, reason string) {
	r.fall(p, reason, 0)
}

func (r *Router) fall(p *peer, reason string, delay time.Duration) {
	now := r.now()
	p.link.fall(now, delay)
	r.touch(p)
	p.reason, p.since, p.rtt = reason, now, 0
	if old := p.path.Swap(nil); old != nil {
		p.last = old.endpoint.Addr
		r.log.Warn("router.path.down", "peer", p.config.Name, "id", p.id.Short(), "endpoint", old.endpoint.Addr, "reason", reason)
		r.emit(Event{Kind: PathDown, Peer: p.id, Name: p.config.Name, Endpoint: old.endpoint.Addr, Reason: reason})
	}
}

// away notes that the peer stopped in order. Its keys end with it, so that frames which arrive late do not raise
// the path. It calls us when it returns; we call it, too, for it may have been a clone that stopped.
func (r *Router) away(p *peer, reason string) {
	r.fall(p, reason, 4*r.timing.CallMin)
	p.session.Close()
	p.away = true
}

// goodbye tells all peers that this node stops. The lane sends nothing any more by then: a frame behind the goodbye would
// be lost.
func (r *Router) goodbye() {
	endpoints := make(map[*peer]encap.Endpoint, len(r.peers))
	for _, p := range r.peers {
		switch path := p.path.Load(); {
		case path == nil:
		case path.route != nil: // the first relay's path is needed
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
