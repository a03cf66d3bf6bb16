package linkstate

import (
	"maps"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// SetMembers says which nodes take part; this node itself need not be among them. Pages of others are dropped, and none are taken.
// Nodes that share their number with another member take no part in link state, neither as relay nor as destination: it returns such
// numbers, in ascending order, so that the caller can say so. Calling it with the same members costs little.
func (e *Engine) SetMembers(members []trust.PublicKeys) (shared []trust.Number) {
	if !e.knowMembers(members) {
		return slices.Clone(e.shared)
	}
	holders := map[trust.Number][]trust.PublicKeys{}
	for keys, id := range e.members {
		holders[id.Number()] = append(holders[id.Number()], keys)
	}
	e.shared = nil
	for n, keys := range holders {
		if len(keys) > 1 {
			e.shared = append(e.shared, n)
		}
	}
	slices.Sort(e.shared)
	e.replaceOrigins(holders)
	return slices.Clone(e.shared)
}

// knowMembers replaces the set of members, and reports whether it differs.
func (e *Engine) knowMembers(members []trust.PublicKeys) (changed bool) {
	next := make(map[trust.PublicKeys]trust.Fingerprint, len(members)+1)
	for _, keys := range append([]trust.PublicKeys{e.cfg.Identity.Public()}, members...) {
		id, known := e.members[keys]
		if !known {
			id, changed = keys.Fingerprint(), true
		}
		next[keys] = id
	}
	changed = changed || len(next) != len(e.members)
	e.members = next
	return changed
}

// longAgo is before everything, but not zero.
var longAgo = time.Time{}.Add(1)

// replaceOrigins makes an origin of each member that has a number of its own, and drops others.
func (e *Engine) replaceOrigins(holders map[trust.Number][]trust.PublicKeys) {
	for _, o := range e.between(0, ^trust.Number(0)) { // in order: what comes after depends on it
		if keys := holders[o.number]; o.number != e.number && (len(keys) != 1 || keys[0] != o.keys) {
			e.removeOrigin(o)
		}
	}
	maps.DeleteFunc(e.peers, func(id trust.Fingerprint, _ *peerState) bool { // also of who spoke and has never been an origin
		o := e.origins[id.Number()]
		return o == nil || o.id != id
	})
	added := make([]trust.Number, 0, len(holders))
	for n, keys := range holders {
		if e.origins[n] == nil && len(keys) == 1 {
			added = append(added, n)
		}
	}
	slices.Sort(added)
	for _, n := range added {
		e.addOrigin(e.members[holders[n][0]], holders[n][0])
	}
	if !e.nextExpiry.IsZero() {
		e.nextExpiry = longAgo // pages of few members end sooner than those of many
	}
	e.author.changed = true // links to nodes that came or went; pages that say what they should are left alone
	e.hurry = e.hurry || len(added) > 0
	e.routesChanged()
}

func (e *Engine) addOrigin(id trust.Fingerprint, keys trust.PublicKeys) {
	e.origins[id.Number()] = &origin{id: id, number: id.Number(), keys: keys}
	e.top.add(id)
}

// removeOrigin drops a node, its pages and its links.
func (e *Engine) removeOrigin(o *origin) {
	for _, p := range o.pages {
		p.dropped = true
	}
	delete(e.origins, o.number)
	e.top.remove(o.number)
}

// Member finds the member of a number. ok is false where none has it, and where several have.
func (e *Engine) Member(n trust.Number) (id trust.Fingerprint, ok bool) {
	o := e.origins[n]
	if o == nil || slices.Contains(e.shared, n) {
		return trust.Fingerprint{}, false
	}
	return o.id, true
}

// remember notes that a node sent a page of one that is no member yet: it may become one. There may be as many as somebody likes, so
// what was noted is forgotten when it is too much; digests bring those pages, later.
func (e *Engine) remember(stranger trust.Number, from trust.Fingerprint) {
	if len(e.strangers) >= maxStrangers {
		clear(e.strangers)
	}
	e.strangers[stranger] = from
}

// fetchStrangers asks for the pages of members that were refused before they were members.
func (e *Engine) fetchStrangers(now time.Time) {
	var known []trust.Number
	for n := range e.strangers {
		if e.origins[n] != nil {
			known = append(known, n)
		}
	}
	slices.Sort(known)
	for _, n := range known {
		e.request(e.strangers[n], []want{{origin: n}}, now)
		delete(e.strangers, n)
	}
}
