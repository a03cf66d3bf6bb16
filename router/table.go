package router

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"github.com/weftnet/weft/trust"
)

// Table is the whole desired state of the router: what this node owns, and who owns the rest.
type Table struct {
	Local []netip.Prefix // what this node owns: its subnets, and the routes behind it also where it is standby
	Peers []PeerConfig
}

// PeerConfig is one peer of a Table.
type PeerConfig struct {
	Keys      trust.PublicKeys
	Name      string           // a label, for people
	Prefixes  []netip.Prefix   // what the peer owns; no two peers of a table own the same prefix
	Standby   []netip.Prefix   // what packets from it may come from as well, though packets to there go to another
	Endpoints []netip.AddrPort // where to call it, best first
	LinkMTU   int              // longest IP packet that our link to it and its own take; 0: what the settings say

	Capabilities uint64 // as its claim says
}

// snapshot is the form of a Table that the lanes read. It is never changed after it was published.
type snapshot struct {
	local  *bart.Lite
	owners *bart.Table[holders]
	called map[netip.Addr]bool // the addresses where members are called

	numbers map[trust.Number]*peer // nil: several members have that number, or this node has
}

// holders are the peers that lead to a prefix.
type holders struct {
	owner   *peer // nil: this node
	standby []*peer
}

func newSnapshot() *snapshot {
	return &snapshot{
		local: new(bart.Lite), owners: new(bart.Table[holders]), called: map[netip.Addr]bool{},
		numbers: map[trust.Number]*peer{},
	}
}

// owner returns the peer that owns the longest prefix with addr in it, or nil.
func (s *snapshot) owner(addr netip.Addr) *peer {
	h, _ := s.owners.Lookup(addr)
	return h.owner
}

// sends reports whether packets from addr may come from p: it owns the longest prefix with addr in it, or is standby there.
func (s *snapshot) sends(p *peer, addr netip.Addr) bool {
	h, _ := s.owners.Lookup(addr)
	return h.owner == p || slices.Contains(h.standby, p)
}

// leads is the peer that a packet of this node goes to, or the reason for which it is dropped.
func (s *snapshot) leads(src, dst netip.Addr) (*peer, Reason, bool) {
	switch {
	case dst.IsMulticast() || dst.IsLinkLocalUnicast() || dst == broadcast:
		return nil, Multicast, false
	case !s.local.Contains(src):
		return nil, ForeignSource, false
	}
	to := s.owner(dst)
	return to, NoRoute, to != nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// admits reports whether a packet from a peer may go to the device, or the reason for which it is dropped.
func (s *snapshot) admits(from *peer, src, dst netip.Addr) (Reason, bool) {
	switch {
	case !s.sends(from, src):
		return SpoofedSource, false
	case !s.local.Contains(dst):
		return NotLocal, false
	}
	return 0, true
}

// own makes p the owner of prefixes; nil: this node.
func (s *snapshot) own(p *peer, prefixes []netip.Prefix) {
	for _, prefix := range prefixes {
		h, _ := s.owners.Get(prefix)
		h.owner = p
		s.owners.Insert(prefix, h)
	}
}

// allow lets p send from prefixes of others.
func (s *snapshot) allow(p *peer, prefixes []netip.Prefix) {
	for _, prefix := range prefixes {
		h, _ := s.owners.Get(prefix)
		h.standby = append(h.standby, p)
		s.owners.Insert(prefix, h)
	}
}

// call notes where a member is called.
func (s *snapshot) call(endpoints []netip.AddrPort) {
	for _, e := range endpoints {
		s.called[e.Addr()] = true
	}
}

// number lets p be found by its number; false: another has the same one, and then neither is.
func (s *snapshot) number(p *peer) bool {
	if _, taken := s.numbers[p.number]; taken {
		s.numbers[p.number] = nil
		return false
	}
	s.numbers[p.number] = p
	return true
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
	next.own(nil, t.Local)
	next.numbers[r.number] = nil
	wanted := make(map[trust.Fingerprint]bool, len(t.Peers))
	for _, cfg := range t.Peers {
		id := cfg.Keys.Fingerprint()
		if id == r.self {
			continue
		}
		wanted[id] = true
		p := r.peer(id, cfg)
		next.own(p, cfg.Prefixes)
		next.allow(p, cfg.Standby)
		next.call(cfg.Endpoints)
		if !next.number(p) {
			r.noteNumber(p)
		}
	}
	r.table.Store(next)
	r.setMembers(&t)
	r.hold.tabled = true
	for id, p := range r.peers {
		if !wanted[id] {
			r.forget(id, p)
		}
	}
	r.step()
}
