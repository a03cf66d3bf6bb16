package mesh

import (
	"maps"
	"net/netip"
	"time"

	"github.com/weftnet/weft/trust"
)

// keeping is how long after the first exchange with a peer who owned a subnet before our restart keeps it though it is not
// reached yet. Owners that live are reached long before; afterwards the rules for those that are not reached hold.
const keeping = 10 * time.Second

// SetOwners tells which assignment is in force here, made from a view that is Established. The owners of subnets are kept in
// the state directory, for View.Kept after a restart. a must not be changed afterwards.
func (m *Mesh) SetOwners(a Assignment) {
	m.mail.post(func(o *owner) { o.setOwners(a) })
}

func (o *owner) setOwners(a Assignment) {
	owners := Assignment{}
	for _, c := range o.set.Claims() {
		for _, p := range c.Subnets {
			if a[p] == c.id {
				owners[p] = c.id
			}
		}
	}
	if !maps.Equal(owners, o.owners) {
		o.owners, o.peersChanged = owners, true
	}
}

// restoreOwners begins with who owned what in the run before.
func (o *owner) restoreOwners(owners Assignment) { o.owners, o.kept = owners, owners }

// passTime notes that what is assigned begins to count, and that the time of what was kept is over.
func (o *owner) passTime(now time.Time) {
	if !o.self.heard {
		return
	}
	known := now.Sub(o.heardAt)
	if !o.incumbent && known >= incumbency {
		o.incumbent, o.changed = true, true
	}
	if o.kept != nil && known >= keeping {
		o.kept, o.changed = nil, true
	}
}

// nextTerm is when passTime has something to note; zero: not before something happens.
func (o *owner) nextTerm() time.Time {
	switch {
	case !o.self.heard:
		return time.Time{}
	case !o.incumbent:
		return o.heardAt.Add(incumbency)
	case o.kept != nil:
		return o.heardAt.Add(keeping)
	}
	return time.Time{}
}

// awaiting is reach, but for the owners of kept: those are awaited where they are not reached.
func (kept Assignment) awaiting(reach func(trust.Fingerprint) Reach) func(trust.Fingerprint) Reach {
	owners := make(map[trust.Fingerprint]bool, len(kept))
	for _, id := range kept {
		owners[id] = true
	}
	return func(id trust.Fingerprint) Reach {
		if r := reach(id); r != Unreached || !owners[id] {
			return r
		}
		return Awaited
	}
}

// ownersRecord says in the peers file which fingerprint owned each subnet.
type ownersRecord map[netip.Prefix]string

func recordOwners(a Assignment) ownersRecord {
	r := make(ownersRecord, len(a))
	for p, id := range a {
		r[p] = id.String()
	}
	return r
}

// assignment is nil where there is no owner.
func (r ownersRecord) assignment() (Assignment, error) {
	if len(r) == 0 {
		return nil, nil
	}
	a := make(Assignment, len(r))
	for p, text := range r {
		id, err := trust.ParseFingerprint(text)
		if err != nil {
			return nil, err
		}
		a[p] = id
	}
	return a, nil
}
