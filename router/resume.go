package router

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
)

// A frame whose index nobody knows is mostly one of a peer that still uses the keys of an earlier run of this node. It would
// find out by silence, after a second or two; a handshake tells it at once. Such a frame is not authenticated, so it costs
// little and changes nothing: the handshake is for a peer that is known at that address, and only the peer can answer it.

const (
	// strayPause is how long control hears of no further frame of an unknown index, whoever sent it.
	strayPause = 5 * time.Millisecond
	// resumePause is how long after a peer was called for such a frame they cause no other call. It bounds what a stranger can
	// make this node send.
	resumePause = time.Second
	// answerPause is how long after any initiation they cause none: its answer, which would be refused then, may be on the way.
	answerPause = 100 * time.Millisecond
)

// unknown drops a frame that has no session, and lets control know of one whose index nobody knows.
func (v *receiver) unknown(reason Reason, from encap.Endpoint, lane uint8) {
	v.l.in.drop(reason, 1)
	r := v.l.r
	next := r.strays.Load()
	if reason != UnknownIndex || v.now < next || !r.strays.CompareAndSwap(next, v.now+int64(strayPause)) {
		return
	}
	r.post(func() { r.resume(from, lane) })
}

// resume calls the peers that may have sent a frame of an unknown index from there.
func (r *Router) resume(from encap.Endpoint, lane uint8) {
	now := r.now()
	for _, p := range r.peers {
		if at, ok := p.foundAt(from, lane); ok && p.mayResume(now) {
			r.log.Debug("router.session.resumed", "peer", p.config.Name, "endpoint", at.Addr)
			p.resumed = now
			r.initiate(p, []encap.Endpoint{at}, now)
		}
	}
}

// mayResume reports whether a handshake may bring anything. A peer whose path is up has our keys; one that said goodbye is
// called later.
func (p *peer) mayResume(now time.Time) bool {
	return !p.link.up && !p.away && now.Sub(p.resumed) >= resumePause && now.Sub(p.initiated) >= answerPause
}

// foundAt returns where to call the peer if it is known at the address of from. Only frames of lane 0 come from the port that
// the peer listens at, perhaps translated on the way.
func (p *peer) foundAt(from encap.Endpoint, lane uint8) (encap.Endpoint, bool) {
	list := p.candidates()
	i := slices.IndexFunc(list, func(e encap.Endpoint) bool { return sameAddr(e.Addr, from.Addr) })
	switch {
	case i < 0:
		return encap.Endpoint{}, false
	case lane == 0:
		return from, true
	}
	return list[i], true
}

func sameAddr(a, b netip.AddrPort) bool { return a.Addr() == b.Addr() }
