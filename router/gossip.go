package router

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// MaxGossip is the longest gossip packet in bytes: with all headers it fits the IPv6 minimum MTU of 1280.
const MaxGossip = 1100

// ErrGossip says that a gossip packet was not sent.
var ErrGossip = errors.New("router: gossip packet not sent")

// SendGossip sends a gossip packet to a member: inside the session if its path is up, else sealed with the cluster's
// gossip key to the endpoints at. It is best effort and does not block; packet is not kept.
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
	if p := r.peers[to]; p != nil {
		if path := p.path.Load(); path != nil {
			body := append(append(make([]byte, 0, len(packet)+len(r.cfg.Boot)), r.cfg.Boot[:]...), packet...)
			r.sendControl(p, encap.Gossip, body, path.endpoint)
			p.link.hope(r.now())
			return
		}
	}
	endpoints := make([]encap.Endpoint, 0, maxCandidates)
	for _, addr := range at[:min(len(at), maxCandidates)] {
		endpoints = append(endpoints, encap.Endpoint{Addr: addr})
	}
	if len(endpoints) > 0 {
		r.transmit(r.gossip.Seal(r.frame[:0], packet), endpoints...)
	}
}

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
	from, boot, packet, err := r.gossip.Open(m.frame)
	if err != nil {
		r.ctl.drop(GossipRefused, 1)
		return
	}
	r.deliverGossip(from, boot, packet)
}

func (r *Router) deliverGossip(from trust.Fingerprint, boot trust.BootNonce, packet []byte) {
	if r.cfg.Gossip != nil {
		r.cfg.Gossip(from, boot, packet)
	}
}
