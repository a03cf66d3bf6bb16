package router

import (
	"net/netip"

	"github.com/weftnet/weft/encap"
)

// bars says why no packets may travel to and from an endpoint, or "". It is for the control goroutine: lanes go by paths, and none
// leads to such an endpoint, nor is a frame in clear taken from elsewhere than where a path leads.
//
// Relays are not barred: what goes through them goes by direct links, each of which either end of it would bar.
func (r *Router) bars(at netip.AddrPort) string {
	if r.cfg.Bars == nil || encap.IsRelayed(at.Addr()) {
		return ""
	}
	return r.cfg.Bars(at.Addr())
}

// callable are the candidates of p that may be called straight. Where there is none, p's state says why.
func (r *Router) callable(p *peer) []encap.Endpoint {
	var list []encap.Endpoint
	barred := ""
	for _, e := range p.candidates() {
		if why := r.bars(e.Addr); why != "" {
			barred = why
			continue
		}
		list = append(list, e)
	}
	switch {
	case len(list) > 0:
	case barred != "":
		r.noteBarred(p, barred)
	default:
		p.reason = "no endpoint of it is known"
	}
	return list
}

// noteBarred says in the state of a peer that is down, and once in the log, why it is not called.
func (r *Router) noteBarred(p *peer, why string) {
	if p.reason != why {
		r.log.Warn("router.peer.barred", "peer", p.config.Name, "reason", why)
	}
	p.reason = why
}

// turnsAway reports whether a frame of a peer comes from a barred endpoint, and counts it.
func (r *Router) turnsAway(p *peer, from encap.Endpoint) bool {
	why := r.bars(from.Addr)
	if why == "" {
		return false
	}
	r.ctl.drop(PublicInClear, 1)
	if !p.isUp() {
		r.noteBarred(p, why)
	}
	return true
}

// leave takes p's direct link down if its endpoint is barred by now.
func (r *Router) leave(p *peer) {
	if p.link.Up() {
		if why := r.bars(p.at().Addr); why != "" {
			r.loseDirect(p, why, r.now())
		}
	}
}
