package router

import (
	"errors"
	"time"

	"github.com/weftnet/weft/encap"
)

// A handshake's steps begin and end in the control goroutine; the curve work between them is done by curve's goroutines.

// handshake takes a frame of a handshake: what does not carry the cluster's mark, answers nothing, or has to stay outside
// under load, ends here.
func (d *dispatcher) handshake(from encap.Endpoint, h encap.Header, b []byte) {
	if len(b) > maxControlFrame {
		d.in.drop(BadFrame, 1)
		return
	}
	m := message{typ: h.Type, from: from}
	switch {
	case h.Type == encap.Initiation:
		d.initiation(m, h, b)
	case d.r.answers(h, b, d.now):
		d.hand(d.r.handshakes, m, b)
	default:
		d.in.drop(HandshakeRefused, 1)
	}
}

// answers reports whether a frame may be an answer to an initiation of ours.
func (r *Router) answers(h encap.Header, b []byte, clock int64) bool {
	if r.asked.lookup(h.Index) == nil {
		return false
	}
	if h.Type == encap.Cookie { // it shows nothing else before it is opened
		return len(b) == encap.CookieFrameLen && r.limiter.taken.take(clock)
	}
	_, ok := r.cfg.Local.Marked(b)
	return ok
}

// initiation takes an initiation.
func (d *dispatcher) initiation(m message, h encap.Header, b []byte) {
	r := d.r
	from := caller{addr: m.from.Addr, member: d.table.called[m.from.Addr.Addr()] || encap.IsRelayed(m.from.Addr.Addr())}
	if r.limiter.isHopeless(h.Flags, from, d.now) {
		d.in.drop(HandshakeLimited, 1)
		return
	}
	mark, ok := r.cfg.Local.Marked(b)
	if !ok {
		d.in.drop(HandshakeRefused, 1)
		return
	}
	switch r.limiter.admit(b, mark, from, len(r.curve.heard), d.now) {
	case allow:
		d.hand(r.curve.heard, m, b)
	case repeated:
		d.in.drop(HandshakeRefused, 1)
	case giveCookie:
		r.limiter.sendCookie(cookieRequest{from: m.from, mark: mark})
		d.in.drop(HandshakeLimited, 1)
	default:
		d.in.drop(HandshakeLimited, 1)
	}
}

// takeInitiation begins the answer to an initiation.
func (r *Router) takeInitiation(from encap.Endpoint, msg *encap.InitiationMessage, err error) {
	if err != nil {
		r.ctl.drop(HandshakeRefused, 1)
		return
	}
	p := r.peers[msg.Static.Fingerprint()]
	switch {
	case p == nil:
		r.ctl.drop(UnknownPeer, 1)
		return
	case r.turnsAway(p, from):
		return
	case full(r.curve.ends):
		r.ctl.drop(ControlFull, 1)
		return
	}
	job, err := p.session.StartAccept(msg, r.now())
	if err != nil {
		r.ctl.drop(HandshakeRefused, 1)
		r.callBack(p, from, err)
		return
	}
	r.noteCaller(p, from, r.now())
	forgotten := p.session.Forgotten(msg)
	r.begin(r.curve.ends, p, job, func(response []byte, err error) {
		r.answered(p, from, response, err)
		if err == nil {
			r.awaitConfirmation(p, forgotten)
		}
	})
}

// answered sends the answer to an initiation.
func (r *Router) answered(p *peer, to encap.Endpoint, response []byte, err error) {
	if response != nil {
		p.answered = r.now()
		r.transmit(response, to)
		r.limiter.responses.Add(1)
	}
	var mismatch *encap.MismatchError
	switch {
	case errors.Is(err, encap.ErrSuperseded):
	case errors.As(err, &mismatch):
		r.refuse(p, mismatch)
	case err != nil:
		r.ctl.drop(HandshakeRefused, 1)
	}
}

// initiate calls a peer at those endpoints.
func (r *Router) initiate(p *peer, to []encap.Endpoint, now time.Time) {
	p.initiated = now
	if full(r.curve.calls) {
		r.ctl.drop(ControlFull, 1)
		return
	}
	job, err := p.session.StartInitiate(now)
	if err != nil {
		r.initiateFailed(p, err)
		return
	}
	p.preparing++
	r.begin(r.curve.calls, p, job, func(frame []byte, err error) {
		p.preparing--
		if err != nil {
			r.initiateFailed(p, err)
			return
		}
		r.noteAsked(p, now)
		r.transmit(frame, to...)
	})
}

func (r *Router) initiateFailed(p *peer, err error) {
	if !errors.Is(err, encap.ErrSuperseded) {
		r.log.Warn("router.handshake.failed", "peer", p.config.Name, "error", err)
	}
}

// handleHandshake takes an answer to an initiation of ours.
func (r *Router) handleHandshake(m message) {
	p, index := r.initiator(m)
	if p == nil {
		r.ctl.drop(HandshakeRefused, 1)
		return
	}
	if r.turnsAway(p, m.from) {
		return
	}
	r.touch(p)
	if m.typ == encap.Cookie {
		r.takeCookie(p, m)
		return
	}
	if full(r.curve.ends) {
		r.ctl.drop(ControlFull, 1)
		return
	}
	job, err := p.session.StartComplete(m.frame)
	if err != nil {
		r.ctl.drop(HandshakeRefused, 1)
		return
	}
	r.begin(r.curve.ends, p, job, func(_ []byte, err error) { r.completed(p, m.from, p.asked[index], err) })
}

// initiator finds the peer whose initiation a frame answers, and the index of that.
func (r *Router) initiator(m message) (p *peer, index uint32) {
	h, err := encap.ParseHeader(m.frame)
	if err != nil {
		return nil, 0
	}
	return r.asked.lookup(h.Index), h.Index
}

// noteAsked lets initiator find a peer by the initiations that wait now, the latest of which began at that time.
func (r *Router) noteAsked(p *peer, began time.Time) {
	asked := map[uint32]time.Time{}
	for _, index := range p.session.AppendAsked(nil) {
		asked[index] = began
		if at, ok := p.asked[index]; ok {
			asked[index] = at
		}
	}
	r.asked.change(p.asked, asked, p)
	p.asked = asked
}

// takeCookie calls a peer again that asked for a proof of our address.
func (r *Router) takeCookie(p *peer, m message) {
	again, err := p.session.TakeCookie(m.frame, r.now())
	if err != nil {
		r.ctl.drop(HandshakeRefused, 1)
		return
	}
	if again {
		r.initiate(p, []encap.Endpoint{m.from}, r.now())
	}
}

// completed takes the end of a handshake that we began.
func (r *Router) completed(p *peer, from encap.Endpoint, began time.Time, err error) {
	var mismatch *encap.MismatchError
	switch {
	case errors.As(err, &mismatch):
		r.refuse(p, mismatch)
		return
	case err != nil:
		r.ctl.drop(HandshakeRefused, 1)
		return
	}
	r.callQueue.answered(p, began, r.now())
	wasUp := p.isUp()
	r.heardFrom(p, from, concluded)
	if wasUp { // a rekey: confirms the keys to the responder
		r.sendProbe(p, encap.Probe, from, p.probes.next(r.now()))
	}
}

func (r *Router) refuse(p *peer, m *encap.MismatchError) {
	why := m.Why()
	if p.reason != why {
		r.log.Warn("router.peer.refused", "peer", p.config.Name, "reason", why)
		r.emit(Event{Kind: Refused, Peer: p.id, Name: p.config.Name, Reason: why})
	}
	if p.isUp() {
		r.down(p, why)
	}
	p.reason = why
}
