package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/encap"
)

// maxControlFrame is the longest control or handshake frame that is sent or taken: it fits the IPv6 minimum MTU of 1280.
const maxControlFrame = 1232

// message is a frame on its way from a lane to control, in memory of its own.
type message struct {
	typ     encap.Type
	from    encap.Endpoint
	frame   []byte
	binding *binding // of control frames
}

func (r *Router) runControl(ctx context.Context, failed <-chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.farewell()
			return nil
		case err := <-failed:
			return err
		case f := <-r.calls:
			f()
		case m := <-r.control:
			r.handleControl(m)
		case m := <-r.handshakes:
			r.handleHandshake(m)
		case m := <-r.hearsay:
			r.handleHearsay(m)
		case <-timer.C:
		}
		r.announce()
		timer.Reset(r.step())
	}
}

// longestSleep bounds how late control notices what lanes only note: that an idle path carries traffic now.
const longestSleep = time.Second

// step lets every link and session act, and returns how long nothing will be due.
func (r *Router) step() time.Duration {
	now := r.now()
	wait, lacking := r.stepHold(now), int64(0)
	for _, p := range r.peers {
		r.stepPeer(p, now)
		if p.lacks() {
			lacking++
		}
		due := p.link.due(now, r.at(p.heard.Load()), r.at(p.carried.Load()), p.rtt)
		wait = min(wait, due.Sub(now))
	}
	r.lacking.Store(lacking)
	return max(wait, time.Millisecond)
}

func (r *Router) stepPeer(p *peer, now time.Time) {
	switch p.link.step(now, r.at(p.heard.Load()), r.at(p.carried.Load()), p.rtt) {
	case probe:
		r.sendProbe(p, encap.Probe, p.path.Load().endpoint, p.probes.next(now))
	case call:
		r.callPeer(p, now)
	case declare:
		r.declare(p)
	}
	p.session.Expire(now)
	if p.link.up && p.session.NeedsRekey(now) && now.Sub(p.probes.rekeyed) > max(time.Second, 3*p.rtt) {
		p.probes.rekeyed = now
		r.initiate(p, p.candidates()[:1], now)
	}
}

// callPeer sends a handshake initiation: the first of a series to the best candidate alone, so that it is the path
// wherever it works; then to all at once, and the one that answers first becomes the path.
func (r *Router) callPeer(p *peer, now time.Time) {
	candidates := p.candidates()
	if len(candidates) == 0 {
		p.reason = "no endpoint of it is known"
		return
	}
	if p.link.calls == 1 {
		candidates = candidates[:1]
	}
	for _, c := range candidates {
		p.noteCall(c.Addr, now)
	}
	r.initiate(p, candidates, now)
}

// declare takes down a path on which nothing is heard any more.
func (r *Router) declare(p *peer) {
	if p.pausing {
		r.away(p, "it stopped, and has not come back")
		return
	}
	r.down(p, fmt.Sprintf("%d probes in a row were not answered", r.timing.Burst+1))
}

func (r *Router) initiate(p *peer, to []encap.Endpoint, now time.Time) {
	p.initiated = now
	frame, err := p.session.Initiate(now)
	if err != nil {
		r.log.Warn("router.handshake.failed", "peer", p.config.Name, "error", err)
		return
	}
	r.transmit(frame, to...)
}

// transmit sends one control frame to each endpoint, marked CS6. Loss is the link's business, not the caller's.
func (r *Router) transmit(frame []byte, to ...encap.Endpoint) {
	trains := make([]encap.Train, 0, maxCandidates)
	for _, e := range to {
		trains = append(trains, encap.Train{To: e, Bufs: [][]byte{frame}, Size: len(frame), DSCP: dscpCS6})
	}
	result := r.conns[0].Send(trains)
	r.ctl.drop(TooBig, result.TooBig)
	r.ctl.drop(Unreachable, result.Unreachable)
	r.ctl.drop(SendFailed, result.Failed)
}

const dscpCS6 = 48 // RFC 2474: network control

func (r *Router) handleHandshake(m message) {
	if m.typ == encap.Initiation {
		r.handleInitiation(m)
		return
	}
	r.handleResponse(m)
}

func (r *Router) handleInitiation(m message) {
	msg, err := r.cfg.Local.ReadInitiation(m.frame)
	if err != nil {
		r.ctl.drop(HandshakeRefused, 1)
		return
	}
	p := r.peers[msg.Static.Fingerprint()]
	if p == nil {
		r.ctl.drop(UnknownPeer, 1)
		return
	}
	response, err := p.session.Accept(msg, r.now())
	if response != nil {
		r.transmit(response, m.from)
	}
	var mismatch *encap.MismatchError
	switch {
	case errors.As(err, &mismatch):
		r.refuse(p, mismatch)
	case err != nil:
		r.ctl.drop(HandshakeRefused, 1)
	}
}

func (r *Router) handleResponse(m message) {
	p := r.initiator(m)
	if p == nil {
		r.ctl.drop(HandshakeRefused, 1)
		return
	}
	now := r.now()
	err := p.session.Complete(m.frame, now)
	var mismatch *encap.MismatchError
	switch {
	case errors.As(err, &mismatch):
		r.refuse(p, mismatch)
		return
	case err != nil:
		r.ctl.drop(HandshakeRefused, 1)
		return
	}
	wasUp := p.link.up
	r.heardFrom(p, m.from, true)
	if wasUp { // a rekey: confirms the keys to the responder
		r.sendProbe(p, encap.Probe, m.from, p.probes.next(now))
	}
}

// initiator finds the peer whose initiation a response answers.
func (r *Router) initiator(m message) *peer {
	h, err := encap.ParseHeader(m.frame)
	if err != nil {
		return nil
	}
	for _, p := range r.peers {
		if p.session.Pending(h.Index) {
			return p
		}
	}
	return nil
}

func (r *Router) refuse(p *peer, err error) {
	if p.reason != err.Error() {
		r.log.Warn("router.peer.refused", "peer", p.config.Name, "reason", err.Error())
		r.emit(Event{Kind: Refused, Peer: p.id, Name: p.config.Name, Reason: err.Error()})
	}
	if p.link.up {
		r.down(p, err.Error())
	}
	p.reason = err.Error()
}
