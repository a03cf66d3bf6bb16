package router

import (
	"maps"
	"sync/atomic"

	"github.com/weftnet/weft/encap"
)

// indexMap finds the session of an incoming frame. Written by the control goroutine by replacing the whole map (a rekey
// is rare), read by the lanes.
type indexMap struct {
	m atomic.Pointer[map[uint32]*binding]
}

// binding is what an index stands for.
type binding struct {
	peer      *peer
	keys      *encap.Keypair
	confirmed atomic.Bool  // an authenticated frame came under these keys, and control knows
	waiting   atomic.Int32 // control frames that wait for control
	told      atomic.Bool  // a lane told control of a frame, and control has not looked yet
}

func (x *indexMap) lookup(index uint32) *binding {
	m := x.m.Load()
	if m == nil {
		return nil
	}
	return (*m)[index]
}

// isConfirmed reports whether an authenticated frame came under the keys of that index.
func (x *indexMap) isConfirmed(index uint32) bool {
	b := x.lookup(index)
	return b != nil && b.confirmed.Load()
}

func (x *indexMap) change(f func(map[uint32]*binding)) {
	next := map[uint32]*binding{}
	if m := x.m.Load(); m != nil {
		next = maps.Clone(*m)
	}
	f(next)
	x.m.Store(&next)
}

// binder enters one peer's keypairs into the index map; it is the session's encap.Indexes.
type binder struct {
	r *Router
	p *peer
}

// Bind implements encap.Indexes.
func (b *binder) Bind(index uint32, k *encap.Keypair) {
	b.r.indexes.change(func(m map[uint32]*binding) { m[index] = &binding{peer: b.p, keys: k} })
}

// Release implements encap.Indexes.
func (b *binder) Release(index uint32) {
	b.r.indexes.change(func(m map[uint32]*binding) { delete(m, index) })
}
