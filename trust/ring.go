package trust

import (
	"slices"
	"sync/atomic"
)

// MaxSecrets is how many secrets a node may hold at a time: the one in use, and the one before or after it.
const MaxSecrets = 2

// Ring holds the keys of the secrets that a node knows: one, or two while its cluster goes from one secret to the next.
// What a node says is under the first; what it hears may be under any. It may be used from any goroutine.
type Ring struct {
	held atomic.Pointer[[]Keys]
}

// NewRing holds the keys of first, and of others.
func NewRing(first Keys, others ...Keys) *Ring {
	r := &Ring{}
	r.Set(first, others...)
	return r
}

// Set replaces all keys at once.
func (r *Ring) Set(first Keys, others ...Keys) {
	held := append([]Keys{first}, others...)
	r.held.Store(&held)
}

// First are the keys to speak under.
func (r *Ring) First() *Keys { return &r.All()[0] }

// All are the keys that are taken, the first first. The slice must not be changed; it is another one after each Set.
func (r *Ring) All() []Keys { return *r.held.Load() }

// Find returns the keys of the cluster of that id, or nil.
func (r *Ring) Find(id SecretID) *Keys {
	held := r.All()
	if i := slices.IndexFunc(held, func(k Keys) bool { return k.ClusterID == id }); i >= 0 {
		return &held[i]
	}
	return nil
}

// Holds reports whether the secret of that id is one of them.
func (r *Ring) Holds(id SecretID) bool { return r.Find(id) != nil }
