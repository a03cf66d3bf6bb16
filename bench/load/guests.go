package load

import (
	"net/netip"
	"slices"
	"sync"
)

// guests are the addresses that may use a job. It may be used by many goroutines.
type guests struct {
	from []netip.Addr // unmapped; empty without pin: everybody
	pin  bool         // whoever shows the token first is a guest as well, and then nobody else

	mu    sync.Mutex // guards first
	first netip.Addr // that was pinned; the zero Addr: none yet
}

func newGuests(j Job) *guests {
	g := &guests{pin: j.Pin}
	for _, a := range j.From {
		g.from = append(g.from, a.Unmap().WithZone(""))
	}
	return g
}

// all reports that nobody is turned away, so that addresses need not be known.
func (g *guests) all() bool { return len(g.from) == 0 && !g.pin }

// mayTry reports whether somebody at addr may show a token.
func (g *guests) mayTry(addr netip.Addr) bool {
	if g.all() || slices.Contains(g.from, addr) {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pin && (!g.first.IsValid() || g.first == addr)
}

// enter reports whether somebody at addr, who has shown the token, may use the job, and pins the first one.
func (g *guests) enter(addr netip.Addr) bool {
	if g.all() || slices.Contains(g.from, addr) {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pin && !g.first.IsValid() {
		g.first = addr
	}
	return g.pin && g.first == addr
}
