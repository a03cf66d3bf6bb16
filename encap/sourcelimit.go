package encap

import (
	"net/netip"
	"sync"
)

// sourceLimit counts what is under way, in all and by source.
type sourceLimit struct {
	total, each int

	mu    sync.Mutex // guards what follows
	count int
	by    map[netip.Prefix]int
}

// SourceOf is what limits count as one source: an IPv4 address, or the /64 of an IPv6 one, which one sender may have all addresses of.
// Each node that is heard through relays is one: all of their addresses lie in one /64.
func SourceOf(a netip.Addr) netip.Prefix {
	bits := 64
	switch a = a.Unmap(); {
	case a.Is4():
		bits = 32
	case IsRelayed(a):
		bits = 128
	}
	p, _ := a.WithZone("").Prefix(bits) // fails only for the zero address, whose zero prefix serves as well
	return p
}

// enter reports whether one more may begin; if so, leave must follow.
func (l *sourceLimit) enter(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := SourceOf(a)
	if l.count >= l.total || l.by[p] >= l.each {
		return false
	}
	if l.by == nil {
		l.by = map[netip.Prefix]int{}
	}
	l.count++
	l.by[p]++
	return true
}

func (l *sourceLimit) leave(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := SourceOf(a)
	l.count--
	if l.by[p]--; l.by[p] == 0 {
		delete(l.by, p)
	}
}
