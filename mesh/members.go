package mesh

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// maxObserved is how many addresses of a node's streams are remembered.
const maxObserved = 4

// member is what the owner knows about another node besides its claim.
type member struct {
	boots     map[trust.BootNonce]bool // those that memberlist has as alive
	lastBoot  trust.BootNonce          // the last one that was
	since     time.Time                // of alive
	seen      time.Time                // last alive, or the latest word of that; counts while it is not
	witnessed bool                     // we saw it alive ourselves
	told      bool                     // seen is another node's word
	name      string                   // from its last stream
	observed  []netip.AddrPort         // newest first
	seesUsAs  netip.AddrPort
	departed  departure
}

func (m *member) alive() bool { return len(m.boots) > 0 }

// left reports whether the node said goodbye and did not come back.
func (m *member) left() bool {
	return !m.alive() && m.departed.raw != nil && (m.lastBoot == trust.BootNonce{} || m.departed.boot == m.lastBoot)
}

// superseded reports whether d replaces the departure that m has. That of the boot that was seen last counts, whatever clock
// it was signed by: the node's may have been set since its goodbye before. Of others the later one does, unless its clock ran
// far ahead: that one counts less than any, so that it hides nothing that follows.
func (m *member) superseded(d departure, now time.Time) bool {
	if m.departed.raw == nil {
		return true
	}
	return cmp.Or(m.departureRank(d, now)-m.departureRank(m.departed, now), cmp.Compare(d.at, m.departed.at)) > 0
}

func (m *member) departureRank(d departure, now time.Time) int {
	switch {
	case d.boot == m.lastBoot:
		return 2
	case d.at <= uint64(now.Add(departureTolerance).UnixMilli()):
		return 1
	}
	return 0
}

// presence notes that memberlist has a node as alive, or no longer.
func (m *member) presence(boot trust.BootNonce, alive bool, now time.Time) {
	before := m.alive()
	if before || alive {
		m.seen, m.witnessed, m.told = now, true, false
	}
	if alive {
		m.boots[boot] = true
		m.lastBoot = boot
	} else {
		delete(m.boots, boot)
	}
	if m.alive() != before {
		m.since = now
	}
}

// learn notes what a stream showed, and reports whether it was new.
func (m *member) learn(r Remote) bool {
	old := *m
	m.name = r.Name
	if r.Observed.IsValid() {
		m.seesUsAs = r.Observed
	}
	if checkObserved(r.Addr) == nil && (len(m.observed) == 0 || m.observed[0] != r.Addr) {
		m.observed = append([]netip.AddrPort{r.Addr}, without(m.observed, r.Addr)...)
		m.observed = m.observed[:min(len(m.observed), maxObserved)]
	}
	return m.name != old.name || m.seesUsAs != old.seesUsAs || !slices.Equal(m.observed, old.observed)
}

// member returns the entry of a node, made if there is none.
func (o *owner) member(id trust.Fingerprint) *member {
	m := o.members[id]
	if m == nil {
		m = &member{boots: map[trust.BootNonce]bool{}, since: time.Now(), seen: time.Now()}
		o.members[id] = m
	}
	return m
}

// tidyMembers gives every claim its member, and forgets those that are gone without a trace.
func (o *owner) tidyMembers(claims []*Claim) {
	for _, c := range claims {
		if c.id != o.me.id {
			o.member(c.id)
		}
	}
	for id, m := range o.members {
		if !m.alive() && len(m.observed) == 0 && o.set.Get(id) == nil {
			delete(o.members, id)
		}
	}
}

func (o *owner) isAlive(id trust.Fingerprint) bool {
	m := o.members[id]
	return id == o.me.id || m != nil && m.alive()
}

// reach is whether gossip reaches a node.
func (o *owner) reach(id trust.Fingerprint) Reach {
	if o.isAlive(id) {
		return Reached
	}
	return Unreached
}

// memberViews are the members as others see them, but for identities that were replaced.
func (o *owner) memberViews() []Member {
	return slices.DeleteFunc(o.allViews(), func(m Member) bool { return o.gone(m.ID) })
}

// allViews are all that are known.
func (o *owner) allViews() []Member {
	views := make([]Member, 0, len(o.members))
	for id, m := range o.members {
		v := Member{
			ID: id, Name: m.name, Alive: m.alive(), Left: m.left(), Since: m.since,
			Observed: m.observed, SeesUsAs: m.seesUsAs,
		}
		if v.Claim, v.Refused = o.claimOf(id); v.Claim != nil {
			v.Name = v.Claim.Name
		}
		if v.Name == "" {
			v.Name = o.admissions.nameOf(id)
		}
		if v.Name == "" {
			v.Name = id.Short()
		}
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.ID[:], b.ID[:]))
	})
	return views
}

// addressBook lists where each node may be reached: what it claims, then what its streams showed. Addresses of the
// overlay are left out: they would lead packets in circles.
func (o *owner) addressBook() map[trust.Fingerprint][]netip.AddrPort {
	pages := make(map[trust.Fingerprint][]netip.AddrPort, len(o.members))
	for id, m := range o.members {
		var at []netip.AddrPort
		add := func(list []netip.AddrPort) {
			for _, a := range list {
				if !o.overlay(a.Addr()) && !slices.Contains(at, a) {
					at = append(at, a)
				}
			}
		}
		if c := o.set.Get(id); c != nil {
			add(c.Endpoints)
		}
		add(m.observed)
		pages[id] = at
	}
	return pages
}

func (o *owner) overlay(a netip.Addr) bool {
	return slices.ContainsFunc(o.cfg.Network, func(n netip.Prefix) bool { return n.Contains(a) })
}
