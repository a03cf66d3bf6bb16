package router

import (
	"net/netip"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
)

// maxSources bounds the memory of rates.
const maxSources = 4096

// rates counts what sources did in the present second. It may be used from any goroutine.
type rates struct {
	each int // how often one source may in a second

	mu     sync.Mutex // guards what follows
	second int64
	by     map[netip.Prefix]int
}

// take counts one act of a source, and reports whether it may. strange: there is no room to count those of this one.
func (r *rates) take(from netip.Addr, clock int64) (ok, strange bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if second := clock / int64(time.Second); second != r.second || r.by == nil {
		if r.second = second; r.by == nil {
			r.by = map[netip.Prefix]int{}
		}
		clear(r.by)
	}
	p := encap.SourceOf(from)
	n, counted := r.by[p]
	switch {
	case n >= r.each:
		return false, false
	case !counted && len(r.by) >= maxSources:
		return true, true
	}
	r.by[p] = n + 1
	return true, false
}
