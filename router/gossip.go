package router

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// MaxGossip is the longest gossip packet in bytes: with all headers it fits the IPv6 minimum MTU of 1280.
const MaxGossip = 1100

// ErrGossip says that a gossip packet was not sent.
var ErrGossip = errors.New("router: gossip packet not sent")

// SendGossip sends a gossip packet to a member: inside the session if its path is up, else sealed with the cluster's
// gossip key to the endpoints at; not so where Config.Admission shuts the member out, as it does with all if it is strict. It is
// best effort and does not block; packet is not kept.
func (r *Router) SendGossip(to trust.Fingerprint, at []netip.AddrPort, packet []byte) error {
	if len(packet) > MaxGossip {
		return fmt.Errorf("%w: %d bytes are more than %d", ErrGossip, len(packet), MaxGossip)
	}
	own := append([]byte(nil), packet...)
	if !r.post(func() { r.sendGossip(to, at, own) }) {
		return fmt.Errorf("%w: the control mailbox is full", ErrGossip)
	}
	return nil
}

func (r *Router) sendGossip(to trust.Fingerprint, at []netip.AddrPort, packet []byte) {
	p := r.peers[to]
	if p != nil {
		if path := p.path.Load(); path != nil {
			body := append(append(make([]byte, 0, len(packet)+len(r.cfg.Boot)), r.cfg.Boot[:]...), packet...)
			r.sendControl(p, encap.Gossip, body, path.endpoint)
			p.watch().Hope(r.now())
			r.touch(p)
			return
		}
	}
	if r.cfg.Admission.Shut(to) {
		return
	}
	seal := r.hearsaySealer(p)
	for _, addr := range at[:min(len(at), maxCandidates)] { // each gets a frame of its own: none is taken twice
		if frame := seal(r.frame[:0], packet, r.now()); frame != nil {
			r.transmit(frame, encap.Endpoint{Addr: addr})
		}
	}
}

// hearsaySealer is how frames to a peer are sealed, as its build reads them; nil: one that we have no claim of.
func (r *Router) hearsaySealer(p *peer) func(dst, packet []byte, now time.Time) []byte {
	switch {
	case p == nil:
		return r.gossip.Seal
	case !p.datesGossip():
		return r.gossip.SealUndated
	case !p.provesGossip() || r.pairWith(p) == nil:
		return r.gossip.Seal
	}
	return func(dst, packet []byte, now time.Time) []byte {
		return r.gossip.SealFor(r.pairWith(p), dst, packet, now)
	}
}

// pairWith are the keys of this node and a peer; nil: its public key has no secret in common with ours. The first call costs a
// multiplication on the curve, of this goroutine: once for each peer, and only for who sends to it or has the cluster's secret.
func (r *Router) pairWith(p *peer) *encap.GossipPair {
	if !p.paired {
		p.pair, _ = encap.NewGossipPair(r.cfg.Local.Identity, p.config.Keys) // with such a key no handshake works either
		p.paired = true
	}
	return p.pair
}

// provesGossip reports whether the peer's build proves who made a gossip frame, and reads such proofs, as its claim says.
func (p *peer) provesGossip() bool { return p.config.Capabilities&encap.CapPairGossip != 0 }

// datesGossip reports whether the peer's build stamps gossip frames and changes their key each day, as its claim says.
func (p *peer) datesGossip() bool { return p.config.Capabilities&encap.CapSecrets != 0 }

// takeGossip takes a gossip packet that came inside a session: the sender's boot nonce, then the packet.
func (r *Router) takeGossip(p *peer, body []byte) {
	var boot trust.BootNonce
	if len(body) < len(boot) {
		r.ctl.drop(BadFrame, 1)
		return
	}
	copy(boot[:], body)
	r.deliverGossip(p.id, boot, body[len(boot):])
}

// handleHearsay takes a gossip frame that came without a session.
func (r *Router) handleHearsay(m message) {
	h, err := r.gossip.Open(m.frame, r.now())
	var misdated *encap.GossipClockError
	switch {
	case errors.As(err, &misdated):
		r.ctl.drop(GossipMisdated, 1)
		r.noteMisdated(misdated)
	case err != nil:
		r.ctl.drop(GossipRefused, 1)
	case r.cfg.Admission.Shut(h.From):
		r.ctl.drop(GossipBarred, 1)
	default:
		r.takeHearsay(&h)
	}
}

// takeHearsay delivers what a frame says that has not come before. Without a stamp nobody can tell, so what comes without one in the
// name of a peer that gives them is refused, and so is a proof that is not that peer's. Of a node that we have no claim of there is
// nothing that a replayed frame could undo.
func (r *Router) takeHearsay(h *encap.Hearsay) {
	p := r.peers[h.From]
	switch {
	case p == nil:
	case h.Undated() && p.datesGossip(), h.Proven() && !r.made(p, h):
		r.ctl.drop(GossipRefused, 1)
		return
	case !h.Undated() && !p.window(h).Take(h.Stamp):
		r.ctl.drop(Replayed, 1)
		return
	}
	r.deliverGossip(h.From, h.Boot, h.Packet)
}

// made reports whether a frame's proof is that of the peer.
func (r *Router) made(p *peer, h *encap.Hearsay) bool {
	pair := r.pairWith(p)
	return pair != nil && h.MadeBy(pair)
}

// window is where the stamps of a peer's frames are remembered. Only the peer itself moves that of frames with a proof; the other one
// can be moved by all who have the secret, and what it then refuses is what the peer sends while it has no claim of ours.
func (p *peer) window(h *encap.Hearsay) *encap.HearsayWindow {
	if h.Proven() {
		return &p.proven
	}
	return &p.hearsay
}

// misdatedPause is how long nothing is told of a peer's misdated gossip after something was.
const misdatedPause = time.Minute

// noteMisdated tells of a peer whose gossip is of another day.
func (r *Router) noteMisdated(e *encap.GossipClockError) {
	p := r.peers[e.From]
	if p == nil || r.now().Sub(p.misdated) < misdatedPause {
		return
	}
	p.misdated = r.now()
	side, days := "ahead of", e.Days
	if days < 0 {
		side, days = "behind", -days
	}
	r.emit(Event{Kind: Misdated, Peer: p.id, Name: p.config.Name, Reason: fmt.Sprintf(
		"its gossip without a session is %d days %s our clock: set the clock that is wrong, or somebody replays old frames", days, side)})
}

func (r *Router) deliverGossip(from trust.Fingerprint, boot trust.BootNonce, packet []byte) {
	if r.cfg.Gossip != nil {
		r.cfg.Gossip(from, boot, packet)
	}
}
