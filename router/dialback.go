package router

import (
	"errors"
	"net/netip"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// DialMessage is a frame of a dial-back that came from a peer.
type DialMessage struct {
	Kind encap.ControlKind // DialRequest, DialBack or DialResponse
	From trust.Fingerprint
	At   netip.AddrPort // where the frame came from
	Body encap.DialBody
}

// Errors of dial-backs.
var (
	ErrPeerDown  = errors.New("router: there is no path to the peer")
	ErrPeerOlder = errors.New("router: the peer runs an older build, which does not know this")
)

// SendDial sends a request or a response by the peer's path. The error is ErrPeerDown, ErrPeerOlder or ErrStopped.
func (r *Router) SendDial(to trust.Fingerprint, kind encap.ControlKind, body encap.DialBody) error {
	var err error
	if stopped := r.call(func() { err = r.sendDial(to, kind, body) }); stopped != nil {
		return stopped
	}
	return err
}

func (r *Router) sendDial(to trust.Fingerprint, kind encap.ControlKind, body encap.DialBody) error {
	p, err := r.dialable(to)
	if err != nil {
		return err
	}
	path := p.path.Load()
	if path == nil || !r.sendControl(p, kind, body.Append(nil), path.endpoint) {
		return ErrPeerDown
	}
	return nil
}

// SealDialBack makes the frame of a call to a peer. The caller sends it, from a port of its own. The error is ErrPeerDown,
// ErrPeerOlder or ErrStopped.
func (r *Router) SealDialBack(to trust.Fingerprint, body encap.DialBody) (frame []byte, err error) {
	stopped := r.call(func() {
		var p *peer
		if p, err = r.dialable(to); err == nil {
			frame, err = p.session.Current().SealControl(nil, encap.DialBack, body.Append(nil))
		}
	})
	if stopped != nil {
		return nil, stopped
	}
	return frame, err
}

// dialable is the peer, if there is a session with it and its build knows dial-backs.
func (r *Router) dialable(id trust.Fingerprint) (*peer, error) {
	p := r.peers[id]
	switch {
	case p == nil || p.session.Current() == nil:
		return nil, ErrPeerDown
	case p.session.Agreement().Capabilities&encap.CapDialBack == 0:
		return nil, ErrPeerOlder
	}
	return p, nil
}

// takeDial passes a frame of a dial-back on.
func (r *Router) takeDial(p *peer, kind encap.ControlKind, from encap.Endpoint, body []byte) {
	dial, err := encap.ParseDial(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	if r.cfg.Dial != nil {
		r.cfg.Dial(DialMessage{Kind: kind, From: p.id, At: from.Addr, Body: dial})
	}
}
