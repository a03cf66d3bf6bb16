package router

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/encap"
)

// door decides which initiations are worth curve work. In quiet times all that carry the cluster's mark are. Under load, which is
// while more come than may be let in, or more wait than can be worked off soon, only those are whose sender has proved its address
// with a cookie, and those are held to a rate for each source; others are answered with a cookie, at a lower price and a rate, too.
//
// Lanes ask it, so that a frame of a flood costs a few hashes, or none where there are no cookies left, and no copy. What strangers take
// of cookies takes none from the addresses of members, so that these meet under a flood, too.
type door struct {
	cookies   *encap.Cookies
	at        func(clock int64) time.Time
	loaded    atomic.Int64 // clock until which there is load
	free      pace         // initiations that are no load
	known     repeats      // initiations that were let in
	proved    rates        // of sources that proved their address
	crowd     pace         // of those of them that proved cannot count
	members   rates        // of cookies for addresses of members
	others    rates        // of cookies for the rest, who may be anybody
	given     pace         // likewise, to all
	taken     pace         // of cookie frames that answer us
	questions chan question
	responses atomic.Uint64 // initiations that got a response
	replied   atomic.Uint64 // cookies sent
	episode   episode       // owned by the control goroutine
}

// question is an initiation that is to be answered with a cookie.
type question struct {
	from encap.Endpoint
	mark encap.Mark
}

const (
	freeRate  = 200          // initiations in a second, without load: at 250 us of a CPU for each, a twentieth of one
	freeBurst = 128          // at once: many nodes start together
	loadAt    = maxHeard / 4 // initiations that wait
	loadTime  = time.Second  // for which any of that counts as load, at least

	sourceRate = 20   // initiations in a second from one IPv4 address, or IPv6 /64; as WireGuard has it
	crowdRate  = 500  // of all proved sources beyond the first maxSources
	cookieRate = 2000 // cookie frames in a second, to addresses that are no member's
	takenRate  = 500  // cookie frames in a second that are looked at
	takenBurst = 512

	maxQuestions = 256
)

func (d *door) open(local *encap.Local, at func(clock int64) time.Time) {
	d.cookies, d.at = encap.NewCookies(local), at
	d.free.set(freeRate, freeBurst)
	d.crowd.set(crowdRate, 1)
	d.given.set(cookieRate, cookieBatch)
	d.taken.set(takenRate, takenBurst)
	d.proved.each, d.members.each, d.others.each = sourceRate, sourceRate, sourceRate
	d.questions = make(chan question, maxQuestions)
}

// answer has a cookie made and sent, if there is room.
func (d *door) answer(q question) {
	select {
	case d.questions <- q:
	default:
	}
}

// question is the next one that waits; false: there is none.
func (d *door) question() (q question, ok bool) {
	select {
	case q = <-d.questions:
		return q, true
	default:
		return q, false
	}
}

// entry is what becomes of an initiation.
type entry uint8

const (
	turnAway   entry = iota // nothing
	repeated                // nothing: it was let in before
	giveCookie              // it gets a cookie
	letIn                   // it gets an answer
)

// caller is where an initiation came from.
type caller struct {
	addr   netip.AddrPort
	member bool // it is an endpoint of a member
}

// isHopeless reports whether an initiation would be turned away even if it carried a mark: it has no cookie, and there are no more for
// the likes of its sender now. It spares the look for the mark under a flood.
func (d *door) isHopeless(flags uint8, from caller, clock int64) bool {
	return d.isLoaded(clock) && !from.member && flags&encap.FlagCookie == 0 && !d.given.room(clock)
}

// admit decides about an initiation that carries a mark. waiting is how many wait already.
func (d *door) admit(frame []byte, mark encap.Mark, from caller, waiting int, clock int64) entry {
	if d.known.has(mark) {
		return repeated
	}
	if d.underLoad(waiting, clock) {
		if !d.cookies.Proves(frame, from.addr, d.at(clock)) {
			return d.ask(from, clock)
		}
		if !d.mayCall(from.addr.Addr(), clock) {
			return turnAway
		}
	}
	if !d.known.add(mark) { // another lane has just let it in
		return repeated
	}
	return letIn
}

// underLoad notes an initiation, and reports whether there is load.
func (d *door) underLoad(waiting int, clock int64) bool {
	if !d.free.take(clock) || waiting >= loadAt {
		d.loaded.Store(max(d.loaded.Load(), clock+int64(loadTime)))
	}
	return d.isLoaded(clock)
}

func (d *door) isLoaded(clock int64) bool { return clock < d.loaded.Load() }

// mayCall holds sources that proved their address to their rate.
func (d *door) mayCall(from netip.Addr, clock int64) bool {
	ok, strange := d.proved.take(from, clock)
	return ok && (!strange || d.crowd.take(clock))
}

// ask decides whether the sender gets a cookie. What strangers, or forged addresses, take of them takes none from the addresses of
// members.
func (d *door) ask(from caller, clock int64) entry {
	addr := from.addr.Addr()
	if from.member {
		if ok, _ := d.members.take(addr, clock); ok {
			return giveCookie
		}
		return turnAway
	}
	if !d.given.room(clock) {
		return turnAway
	}
	if ok, _ := d.others.take(addr, clock); ok && d.given.take(clock) {
		return giveCookie
	}
	return turnAway
}
