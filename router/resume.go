package router

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
)

// A frame whose index nobody knows is mostly one of a peer that still uses the keys of an earlier run of this node. It would
// find out by silence, after a second or two; a handshake tells it at once. Such a frame is not authenticated, so it costs
// little and changes nothing: the handshake is for a peer that is known at that address, and only the peer can answer it.
//
// A peer whose path is up is asked with a probe first. Mostly it answers, and the frame was old or forged: forged frames cannot
// make sessions be replaced. If the probe was what lacked to confirm new keys to the peer, it goes on under those.

const (
	// strayPause is how long control hears of no further frame of an unknown index, whoever sent it.
	strayPause = 5 * time.Millisecond
	// resumePause is how long after a peer was called for such a frame they cause no other call. It bounds what a stranger can
	// make this node send.
	resumePause = time.Second
	// answerPause is how long after any initiation they cause none: its answer, which would be refused then, may be on the way.
	// It is also how long a peer may take to answer a probe, besides the round trip.
	answerPause = 100 * time.Millisecond
	// freshTime is how long a peer that was heard is taken to have our keys.
	freshTime = time.Second
)

// unknown drops a frame that has no session, and lets control know of one whose index nobody knows.
func (d *dispatcher) unknown(reason Reason, from encap.Endpoint, lane uint8) {
	d.in.drop(reason, 1)
	r := d.r
	next := r.strays.Load()
	if reason != UnknownIndex || d.now < next || !r.strays.CompareAndSwap(next, d.now+int64(strayPause)) {
		return
	}
	r.post(func() { r.resume(from, lane) })
}

// resume calls the peer that may have sent a frame of an unknown index from there: one at most.
func (r *Router) resume(from encap.Endpoint, lane uint8) {
	now := r.now()
	p, at := r.sender(from, lane)
	if p == nil || p.isUp() && !r.questioned(p, now) || !p.mayResume(now) {
		return
	}
	r.resumeAt(p, at, now)
}

func (r *Router) resumeAt(p *peer, at encap.Endpoint, now time.Time) {
	r.log.Debug("router.session.resumed", "peer", p.config.Name, "endpoint", at.Addr)
	p.resumed, p.questioned = now, time.Time{}
	r.initiate(p, []encap.Endpoint{at}, now)
}

// callBack calls a peer that lacks a path, and whose initiation was refused for its stamp. That is an old frame, mostly; but it is
// all that comes of a peer behind a NAT whose state directory was put back to what it was before its clock ran ahead: only an
// initiation of ours can be answered by it.
func (r *Router) callBack(p *peer, from encap.Endpoint, err error) {
	if now := r.now(); errors.Is(err, encap.ErrReplayedStamp) && !p.isUp() && p.mayResume(now) {
		r.resumeAt(p, from, now)
	}
}

// questioned asks a peer whose path is up for a sign that it has our keys, and reports whether it was asked before, and gave none.
func (r *Router) questioned(p *peer, now time.Time) bool {
	heard := p.lastHeard(r)
	switch keys := p.session.Current(); {
	case keys == nil:
		return true
	case now.Sub(heard) < freshTime && r.indexes.isConfirmed(keys.LocalIndex):
		return false
	case p.questioned.After(heard):
		return now.Sub(p.questioned) >= answerPause+2*p.roundTrip()
	}
	p.questioned = now
	r.probePath(p, now)
	return false
}

// sender guesses whose a frame of an unknown index is, and where to call that peer; nil: nobody's who may be called.
//
// What came through relays names its source. Of the rest, only frames of lane 0 come from the port that a peer listens at. One
// that is known at just that port is the sender, and no other is called, whether that one may be or not. Otherwise it is one that is known at the address and may be called, rather one
// without a path than one with: at the endpoint that we know, since the sender chooses the port; but if nobody else is known at
// the address, a frame of lane 0 tells how the peer's port is translated.
func (r *Router) sender(from encap.Endpoint, lane uint8) (found *peer, at encap.Endpoint) {
	if number, ok := from.Relayed(); ok {
		return r.table.Load().numbers[number], from
	}
	now, near := r.now(), 0
	for _, p := range r.peers {
		if lane == 0 && p.isKnownAt(from.Addr) {
			return p, from
		}
		addr, ok := p.endpointAt(from.Addr.Addr())
		if !ok {
			continue
		}
		near++
		if p.mayResume(now) && (found == nil || found.isUp() && !p.isUp()) {
			found, at = p, encap.Endpoint{Addr: addr}
		}
	}
	if lane == 0 && near == 1 {
		at = from
	}
	return found, at
}

// mayResume reports whether a handshake may bring anything. One that said goodbye is called later.
func (p *peer) mayResume(now time.Time) bool {
	return !p.away && now.Sub(p.resumed) >= resumePause && now.Sub(p.initiated) >= answerPause
}

// isKnownAt reports whether the peer was reached there last, or is said to listen there.
func (p *peer) isKnownAt(at netip.AddrPort) bool {
	return p.link.Up() && p.at().Addr == at || p.last == at || p.relayedAt.Addr == at || slices.Contains(p.config.Endpoints, at)
}

// endpointAt returns the first endpoint of the peer that has the address.
func (p *peer) endpointAt(addr netip.Addr) (netip.AddrPort, bool) {
	switch behind := p.relayedAt.Addr; {
	case p.link.Up() && p.at().Addr.Addr() == addr:
		return p.at().Addr, true
	case behind.Addr() == addr:
		return behind, true
	case p.last.Addr() == addr:
		return p.last, true
	}
	for _, e := range p.config.Endpoints {
		if e.Addr() == addr {
			return e, true
		}
	}
	return netip.AddrPort{}, false
}
