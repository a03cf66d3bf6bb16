package router

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/weftnet/weft/trust"
)

// Table is the whole desired state of the router: what this node owns, and who owns the rest.
type Table struct {
	Local []netip.Prefix // what this node owns: its subnets and the routes behind it
	Peers []PeerConfig
}

// PeerConfig is one peer of a Table.
type PeerConfig struct {
	Keys      trust.PublicKeys
	Name      string           // a label, for people
	Prefixes  []netip.Prefix   // what the peer owns; no two peers of a table own the same prefix
	Endpoints []netip.AddrPort // where to call it, best first
}

// snapshot is the form of a Table that the lanes read. It is never changed after it was published.
type snapshot struct {
	local  *bart.Lite
	owners *bart.Table[*peer]
}

func newSnapshot() *snapshot {
	return &snapshot{local: new(bart.Lite), owners: new(bart.Table[*peer])}
}

// owner returns the peer that owns the longest prefix with addr in it, or nil.
func (s *snapshot) owner(addr netip.Addr) *peer {
	p, _ := s.owners.Lookup(addr)
	return p
}

// Set makes t the router's table. Peers that t does not name are forgotten, with their sessions; peers that it names
// again keep session and path. It is idempotent, and returns when the new table is in force.
func (r *Router) Set(t Table) error {
	return r.call(func() { r.setTable(t) })
}

func (r *Router) setTable(t Table) {
	next := newSnapshot()
	for _, p := range t.Local {
		next.local.Insert(p)
	}
	wanted := make(map[trust.Fingerprint]bool, len(t.Peers))
	for _, cfg := range t.Peers {
		id := cfg.Keys.Fingerprint()
		if id == r.self {
			continue
		}
		wanted[id] = true
		p := r.peer(id, cfg)
		for _, prefix := range cfg.Prefixes {
			next.owners.Insert(prefix, p)
		}
	}
	r.table.Store(next)
	for id, p := range r.peers {
		if !wanted[id] {
			r.forget(id, p)
		}
	}
	r.step()
}
