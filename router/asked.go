package router

import (
	"sync"
	"time"
)

// askedIndexes finds the peer that was sent initiations, by the indexes that its answers come under. Control writes it, and lanes look
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

// change puts a peer under indexes in the place of others.
func (a *askedIndexes) change(old, indexes map[uint32]time.Time, p *peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for index := range old {
		delete(a.by, index)
	}
	for index := range indexes {
		a.by[index] = p
	}
}
