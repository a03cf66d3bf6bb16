package router

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/encap"
)

// limiter decides which initiations are worth curve work. In quiet times all that carry the cluster's mark are. Under load, which is
// while more come than may be let in, or more wait than can be worked off soon, only those are whose sender has proved its address
// with a cookie, and those are held to a rate for each source; others are answered with a cookie, at a lower price and a rate, too.
//
// Lanes ask it, so that a frame of a flood costs a few hashes, or none where there are no cookies left, and no copy. What strangers take
// of cookies takes none from the addresses of members, so that these meet under a flood, too.
type limiter struct {
	cookies   *encap.Cookies
	at        func(clock int64) time.Time
	loaded    atomic.Int64 // clock until which there is load
	free      pace         // initiations that are no load
	known     repeats      // initiations that were let in
	proved    rates        // of sources that proved their address
	overflow  pace         // of those of them that proved cannot count
	behind    pace         // of nodes behind relays, all together
	members   rates        // of cookies for addresses of members
	others    rates        // of cookies for the rest, who may be anybody
	given     pace         // likewise, to all
	taken     pace         // of cookie frames that answer us
	requests  chan cookieRequest
	responses atomic.Uint64 // initiations that got a response
	replied   atomic.Uint64 // cookies sent
	episode   episode       // owned by the control goroutine
}

// cookieRequest is an initiation that is to be answered with a cookie.
type cookieRequest struct {
	from encap.Endpoint
	mark encap.Mark
}

const (
	freeRate  = 200          // initiations in a second, without load: at 250 us of a CPU for each, a twentieth of one
	freeBurst = 128          // at once: many nodes start together
	loadAt    = maxHeard / 4 // initiations that wait
	loadTime  = time.Second  // for which any of that counts as load, at least

	sourceRate   = 20  // initiations in a second from one IPv4 address, or IPv6 /64; as WireGuard has it
	overflowRate = 500 // of all proved sources beyond the first maxSources
	behindRate   = 500 // of all nodes behind relays: a relay gets the cookies of all whom it says that it relays for
	behindBurst  = 32
	cookieRate   = 2000 // cookie frames in a second, to addresses that are no member's
	takenRate    = 500  // cookie frames in a second that are looked at
	takenBurst   = 512

	maxCookieRequests = 256
)

func (m *limiter) init(local *encap.Local, at func(clock int64) time.Time) {
	m.cookies, m.at = encap.NewCookies(local), at
	m.free.set(freeRate, freeBurst)
	m.overflow.set(overflowRate, 1)
	m.behind.set(behindRate, behindBurst)
	m.given.set(cookieRate, cookieBatch)
	m.taken.set(takenRate, takenBurst)
	m.proved.each, m.members.each, m.others.each = sourceRate, sourceRate, sourceRate
	m.requests = make(chan cookieRequest, maxCookieRequests)
}

// sendCookie has a cookie made and sent, if there is room.
func (m *limiter) sendCookie(q cookieRequest) {
	select {
	case m.requests <- q:
	default:
	}
}

// request is the next one that waits; false: there is none.
func (m *limiter) request() (q cookieRequest, ok bool) {
	select {
	case q = <-m.requests:
		return q, true
	default:
		return q, false
	}
}

// verdict is what becomes of an initiation.
type verdict uint8

const (
	deny       verdict = iota // nothing
	repeated                  // nothing: it was let in before
	giveCookie                // it gets a cookie
	allow                     // it gets an answer
)

// caller is where an initiation came from.
type caller struct {
	addr   netip.AddrPort
	member bool // it is an endpoint of a member
}

// isHopeless reports whether an initiation would be turned away even if it carried a mark: it has no cookie, and there are no more for
// the likes of its sender now. It spares the look for the mark under a flood.
func (m *limiter) isHopeless(flags uint8, from caller, clock int64) bool {
	return m.isLoaded(clock) && !from.member && flags&encap.FlagCookie == 0 && !m.given.room(clock)
}

// admit decides about an initiation that carries a mark. waiting is how many wait already.
func (m *limiter) admit(frame []byte, mark encap.Mark, from caller, waiting int, clock int64) verdict {
	if m.known.has(mark) {
		return repeated
	}
	if m.underLoad(waiting, clock) {
		if !m.cookies.Proves(frame, from.addr, m.at(clock)) {
			return m.ask(from, clock)
		}
		if !m.mayCall(from.addr.Addr(), clock) {
			return deny
		}
	}
	if !m.known.add(mark) { // another lane has just let it in
		return repeated
	}
	return allow
}

// underLoad notes an initiation, and reports whether there is load.
func (m *limiter) underLoad(waiting int, clock int64) bool {
	if !m.free.take(clock) || waiting >= loadAt {
		m.loaded.Store(max(m.loaded.Load(), clock+int64(loadTime)))
	}
	return m.isLoaded(clock)
}

func (m *limiter) isLoaded(clock int64) bool { return clock < m.loaded.Load() }

// mayCall holds sources that proved their address to their rate.
func (m *limiter) mayCall(from netip.Addr, clock int64) bool {
	ok, strange := m.proved.take(from, clock)
	switch {
	case !ok:
		return false
	case encap.IsRelayed(from):
		return m.behind.take(clock)
	}
	return !strange || m.overflow.take(clock)
}

// ask decides whether the sender gets a cookie. What strangers, or forged addresses, take of them takes none from the addresses of
// members.
func (m *limiter) ask(from caller, clock int64) verdict {
	addr := from.addr.Addr()
	if from.member {
		if ok, _ := m.members.take(addr, clock); ok {
			return giveCookie
		}
		return deny
	}
	if !m.given.room(clock) {
		return deny
	}
	if ok, _ := m.others.take(addr, clock); ok && m.given.take(clock) {
		return giveCookie
	}
	return deny
}
