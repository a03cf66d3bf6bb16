package router

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/encap"
)

// door decides which initiations are worth curve work. In quiet times all that carry the cluster's mark are. Under load, which is
// while more wait than can be worked off soon, only those are whose sender has proved its address with a cookie, and those are
// held to a rate for each source; others are answered with a cookie, at a lower price and a rate, too.
//
// Lanes ask it, so that a flood costs a few hashes for each frame, and no copy.
type door struct {
	cookies *encap.Cookies
	loaded  atomic.Int64 // clock until which there is load
	proved  rates        // of sources that proved their address
	others  rates        // of the rest, who may be anybody
}

const (
	loadAt   = maxHeard / 8 // initiations that wait
	loadTime = time.Second  // for which that counts as load, at least

	sourceRate = 20     // initiations in a second from one IPv4 address, or IPv6 /64; as WireGuard has it
	cookieRate = 10_000 // cookie frames in a second, to all
)

func newDoor(local *encap.Local) door {
	return door{
		cookies: encap.NewCookies(local),
		proved:  rates{each: sourceRate, total: sourceRate * maxSources},
		others:  rates{each: sourceRate, total: cookieRate},
	}
}

// entry is what becomes of an initiation.
type entry uint8

const (
	turnAway   entry = iota // nothing
	giveCookie              // it gets a cookie
	letIn                   // it gets an answer
)

// admit decides about an initiation that carries the cluster's mark. waiting is how many wait already; clock is the router's.
func (d *door) admit(frame []byte, from netip.AddrPort, waiting int, clock int64, now time.Time) entry {
	if waiting >= loadAt {
		d.loaded.Store(clock + int64(loadTime))
	}
	if clock >= d.loaded.Load() {
		return letIn
	}
	second := clock / int64(time.Second)
	switch {
	case d.cookies.Proves(frame, from, now):
		if d.proved.take(from.Addr(), second) {
			return letIn
		}
	case d.others.take(from.Addr(), second):
		return giveCookie
	}
	return turnAway
}

// maxSources bounds the memory of rates. Sources beyond it are turned away for the rest of the second.
const maxSources = 4096

// rates counts what sources did in the present second.
type rates struct {
	each, total int // how often in a second: one source; all

	mu     sync.Mutex // guards what follows
	second int64
	count  int
	by     map[netip.Prefix]int
}

// take reports whether a source may once more.
func (r *rates) take(from netip.Addr, second int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if second != r.second || r.by == nil {
		r.second, r.count = second, 0
		if r.by == nil {
			r.by = map[netip.Prefix]int{}
		}
		clear(r.by)
	}
	p := sourceOf(from)
	n, known := r.by[p]
	if r.count >= r.total || n >= r.each || !known && len(r.by) >= maxSources {
		return false
	}
	r.count++
	r.by[p] = n + 1
	return true
}

// sourceOf is an IPv4 address, or the /64 of an IPv6 one.
func sourceOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a = a.Unmap(); a.Is4() {
		bits = 32
	}
	p, _ := a.WithZone("").Prefix(bits) // fails only for the zero address, whose zero prefix serves as well
	return p
}
