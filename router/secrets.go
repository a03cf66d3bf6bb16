package router

import (
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// SecretMessage is a frame of a rotation that came from a peer, inside its session.
type SecretMessage struct {
	From   trust.Fingerprint
	Offer  *encap.SecretOffer  // or
	Answer *encap.SecretAnswer // to an offer of ours
}

// foreignGrace is how long keys live on that were made under a secret which is not held any more: the handshake that replaces them
// begins at once, and packets that are on their way must not be lost.
const foreignGrace = 5 * time.Second

// SecretsChanged tells that the ring of Config.Local holds other secrets now. Sessions that were not made under the first one get new
// keys at once, by a handshake under it; those that were made under a secret which is not held any more end after a short time,
// whether that worked or not.
func (r *Router) SecretsChanged() error { return r.call(r.secretsChanged) }

func (r *Router) secretsChanged() {
	now, ring := r.now(), r.cfg.Local.Ring
	first := ring.First().ClusterID
	for _, p := range r.peers {
		if k := p.session.Current(); k != nil && k.Secret != first {
			p.renew, p.probes.rekeyed = k, time.Time{}
		}
	}
	r.purge = now.Add(foreignGrace)
}

// outdated reports whether the present keys are to be replaced for the secret that they were made under. When the peer has replaced
// them, under whatever secret, they are not.
func (p *peer) outdated() bool { return p.renew != nil && p.renew == p.session.Current() }

// stepSecrets closes keys under secrets that are not held any more, and returns how long nothing will be due.
func (r *Router) stepSecrets(now time.Time) time.Duration {
	if r.purge.IsZero() {
		return longestSleep
	}
	if now.Before(r.purge) {
		return r.purge.Sub(now)
	}
	r.purge = time.Time{}
	for _, p := range r.peers {
		if p.session.DropForeign() && p.isUp() {
			r.down(p, "its keys were made under a secret that this node does not hold any more")
		}
	}
	return longestSleep
}

// SendSecretOffer sends an offer by the peer's path. The error is ErrPeerDown, ErrPeerOlder or ErrStopped.
func (r *Router) SendSecretOffer(to trust.Fingerprint, o encap.SecretOffer) error {
	return r.sendCapable(to, encap.CapSecrets, encap.SecretQuestion, o.Append(nil))
}

// SendSecretAnswer sends the answer to an offer, likewise.
func (r *Router) SendSecretAnswer(to trust.Fingerprint, a encap.SecretAnswer) error {
	return r.sendCapable(to, encap.CapSecrets, encap.SecretReply, a.Append(nil))
}

// sendCapable sends a control frame by the path of a peer whose build has the capability.
func (r *Router) sendCapable(to trust.Fingerprint, capability uint64, kind encap.ControlKind, body []byte) error {
	var err error
	if stopped := r.call(func() { err = r.sendToCapable(to, capability, kind, body) }); stopped != nil {
		return stopped
	}
	return err
}

func (r *Router) sendToCapable(to trust.Fingerprint, capability uint64, kind encap.ControlKind, body []byte) error {
	p := r.peers[to]
	if p == nil {
		return ErrPeerDown
	}
	path := p.path.Load()
	switch {
	case path == nil || p.session.Current() == nil:
		return ErrPeerDown
	case p.session.Agreement().Capabilities&capability == 0:
		return ErrPeerOlder
	case !r.sendControl(p, kind, body, path.endpoint):
		return ErrPeerDown
	}
	return nil
}

// takeSecret passes a frame of a rotation on.
func (r *Router) takeSecret(p *peer, kind encap.ControlKind, body []byte) {
	m := SecretMessage{From: p.id}
	if kind == encap.SecretQuestion {
		offer, err := encap.ParseSecretOffer(body)
		if err != nil {
			r.ctl.drop(BadFrame, 1)
			return
		}
		m.Offer = &offer
	} else {
		answer, err := encap.ParseSecretAnswer(body)
		if err != nil {
			r.ctl.drop(BadFrame, 1)
			return
		}
		m.Answer = &answer
	}
	if r.cfg.Secret != nil {
		r.cfg.Secret(m)
	}
}
