package mesh

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// DefaultLease is how long the claim of a node is kept after the node was alive last.
const DefaultLease = 24 * time.Hour

const (
	// company is how long others have to be there before the leases of those who are not end: after a start, or after this node was
	// cut off alone, those who live are found within that time.
	company = time.Minute
	// maxDropped is how many versions are remembered whose lease has ended. Old builds, and nodes that were cut off for long, may still
	// pass them on.
	maxDropped = 1024
	// seenWrites is into how many parts a lease is cut by the writes of the peers file in which nothing else has changed.
	seenWrites = 24
)

// drop is a claim whose lease has ended, or that was forgotten by somebody's word: that version does not come back from hearsay.
type drop struct {
	version uint64
	at      time.Time
	claim   *Claim // the newest that is known and not newer than version; nil: none since the start
}

// dropped remembers what is dropped, by node. It is pure: the clock comes in.
type dropped map[trust.Fingerprint]drop

// add notes that no claim of a node up to that version counts. At most maxDropped are kept: heirs, and the latest.
func (d dropped) add(id trust.Fingerprint, version uint64, c *Claim, now time.Time) {
	if c == nil {
		c = d[id].claim
	}
	d[id] = drop{max(version, d[id].version), now, c}
	evict(d, maxDropped, func(x, y drop) int { return cmp.Or(cmp.Compare(x.heritage(), y.heritage()), x.at.Compare(y.at)) })
}

// heritage is 1 if the node is known to have taken the place of others, however many they are, and 0 otherwise.
func (d drop) heritage() int {
	if d.claim == nil {
		return 0
	}
	return min(1, len(d.claim.Predecessors))
}

// heirs are the claims of nodes that have taken the place of others. What these were does not come back because their heir is
// forgotten: somebody may have their keys.
func (d dropped) heirs() (list []*Claim) {
	for _, x := range d {
		if x.heritage() > 0 {
			list = append(list, x.claim)
		}
	}
	return list
}

// evict takes the least of a map out until it has no more than limit entries.
func evict[T any](m map[trust.Fingerprint]T, limit int, compare func(x, y T) int) {
	for len(m) > limit {
		delete(m, slices.MinFunc(slices.Collect(maps.Keys(m)), func(x, y trust.Fingerprint) int {
			return cmp.Or(compare(m[x], m[y]), slices.Compare(x[:], y[:]))
		}))
	}
}

// bars reports whether a claim is one that was dropped. It is kept for the case that its owner is alive after all; a newer one
// ends what was noted.
func (d dropped) bars(c *Claim) bool {
	old, ok := d[c.id]
	if !ok {
		return false
	}
	if c.Version > old.version {
		delete(d, c.id)
		return false
	}
	if old.claim == nil || c.supersedes(old.claim) {
		old.claim = c
		d[c.id] = old
	}
	return true
}

// deadFor is for how long a member has not been alive, as far as is known here.
func (m *member) deadFor(now time.Time) time.Duration {
	if m.alive() {
		return 0
	}
	return max(0, now.Sub(m.seen))
}

// present reports whether a node is there: gossip reaches it, or a path does.
func (o *owner) present(id trust.Fingerprint) bool {
	return o.isAlive(id) || o.cfg.Present != nil && o.cfg.Present(id)
}

// keepCompany notes since when others are there.
func (o *owner) keepCompany(now time.Time) {
	switch {
	case len(o.live(1, o.me.id)) == 0:
		o.together = time.Time{}
	case o.together.IsZero():
		o.together = now
	}
}

// expire drops the nodes whose lease has ended. A node that is alone drops nobody: it is the one that is away. A lease does not run
// while a path to the node works.
func (o *owner) expire(now time.Time) {
	o.keepCompany(now)
	if o.together.IsZero() || now.Sub(o.together) < company {
		return
	}
	for id, m := range o.members {
		switch {
		case !m.alive() && o.present(id):
			m.seen = now
		case m.deadFor(now) >= o.cfg.Lease:
			o.forgetMember(id, 0, now, "its lease has ended")
		}
	}
	if now.Sub(o.saved) >= o.cfg.Lease/seenWrites {
		o.peersChanged = true
	}
}

// forgetMember drops what is known of a node that is not there, and remembers that its claims up to that version, or to the one that
// was known, do not come back by hearsay.
func (o *owner) forgetMember(id trust.Fingerprint, version uint64, now time.Time, reason string) {
	m, c := o.members[id], o.set.Remove(id)
	if c != nil {
		version = max(version, c.Version)
	}
	o.dropped.add(id, version, c, now)
	delete(o.members, id)
	delete(o.admissions.refused, id)
	o.caller.drop(targetKey{id: id})
	o.changed, o.peersChanged = true, true
	switch {
	case c != nil:
		o.log.Info("mesh.member.forgotten", "name", c.Name, "id", id.Short(), "reason", reason)
	case m != nil:
		o.log.Info("mesh.member.forgotten", "name", m.name, "id", id.Short(), "reason", reason)
	}
}

// returned takes back what was dropped of a node that is alive after all.
func (o *owner) returned(id trust.Fingerprint) {
	old, ok := o.dropped[id]
	if !ok {
		return
	}
	delete(o.dropped, id)
	if old.claim != nil && o.set.Add(old.claim) {
		o.announce(old.claim)
	}
	o.changed, o.peersChanged = true, true
}

// A sighting is what a node says in a push/pull about one that is dead: how long ago it has seen it alive itself. Who never did takes
// the latest of such words, so that a lease ends for those that join later when it ends for the others. They are not passed on, and
// whoever has seen the node alive does not believe them.
type sighting struct {
	id trust.Fingerprint
	at time.Time
}

const sightingLen = 32 + 4 // fingerprint, age in seconds

func (s sighting) append(b []byte, now time.Time) []byte {
	age := min(max(now.Sub(s.at)/time.Second, 0), 1<<32-1)
	return binary.BigEndian.AppendUint32(append(b, s.id[:]...), uint32(age))
}

func parseSighting(b []byte, now time.Time) (s sighting, err error) {
	if len(b) != sightingLen {
		return s, fmt.Errorf("mesh: sighting of %d bytes", len(b))
	}
	copy(s.id[:], b)
	s.at = now.Add(-time.Duration(binary.BigEndian.Uint32(b[32:])) * time.Second)
	return s, nil
}

// sighted takes a sighting.
func (o *owner) sighted(b []byte) error {
	s, err := parseSighting(b, time.Now())
	if err != nil {
		return err
	}
	m := o.members[s.id]
	if m == nil || m.alive() || m.witnessed || m.told && !s.at.After(m.seen) {
		return nil
	}
	m.told, m.seen = true, s.at
	o.peersChanged = true
	return nil
}

// sightings are those of this node.
func (o *owner) sightings() (list []sighting) {
	for id, m := range o.members {
		if !m.alive() && m.witnessed && o.set.Get(id) != nil {
			list = append(list, sighting{id, m.seen})
		}
	}
	return list
}
