package router

import "sync"

// askedIndexes finds the peer that was sent an initiation, by the index that its answer comes under. Control writes it, and lanes look
// before they hand over an answer: nobody can make one up without having seen the initiation. It may be used from any goroutine.
type askedIndexes struct {
	mu sync.RWMutex // guards by
	by map[uint32]*peer
}

// lookup returns the peer, or nil.
func (a *askedIndexes) lookup(index uint32) *peer {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.by[index]
}

// change puts a peer under an index in the place of another index.
func (a *askedIndexes) change(old, index uint32, p *peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.by, old)
	a.by[index] = p
}

func (a *askedIndexes) remove(index uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.by, index)
}
