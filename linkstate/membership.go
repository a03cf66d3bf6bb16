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
	if turned := e.knowMembers(members); len(turned) > 0 {
		e.noteShared(turned)
		e.replaceOrigins(turned)
	}
	return slices.Clone(e.shared)
}

// member is a node that takes part.
type member struct {
	id   trust.Fingerprint
	told uint64 // the call of SetMembers that named it last; 0: none has
}

// knowMembers replaces the set of members, and returns the numbers of those that came or went, in ascending order.
func (e *Engine) knowMembers(members []trust.PublicKeys) (turned []trust.Number) {
	e.told++
	named := 0
	for _, keys := range append(members[:len(members):len(members)], e.cfg.Identity.Public()) {
		m := e.members[keys]
		if m == nil {
			m = &member{id: keys.Fingerprint()}
			e.members[keys] = m
		}
		if m.told == 0 {
			n := m.id.Number()
			e.holders[n], turned = append(e.holders[n], keys), append(turned, n)
		}
		if m.told != e.told {
			m.told = e.told
			named++
		}
	}
	if named < len(e.members) {
		turned = append(turned, e.forgetMembers()...)
	}
	slices.Sort(turned)
	return slices.Compact(turned)
}

// forgetMembers drops the members that the latest call of SetMembers does not name, and returns their numbers.
func (e *Engine) forgetMembers() (gone []trust.Number) {
	for keys, m := range e.members {
		if m.told == e.told {
			continue
		}
		n := m.id.Number()
		gone = append(gone, n)
		delete(e.members, keys)
		if e.holders[n] = slices.DeleteFunc(e.holders[n], func(k trust.PublicKeys) bool { return k == keys }); len(e.holders[n]) == 0 {
			delete(e.holders, n)
		}
	}
	return gone
}

// noteShared brings shared up to date for some numbers.
func (e *Engine) noteShared(turned []trust.Number) {
	for _, n := range turned {
		i, before := slices.BinarySearch(e.shared, n)
		switch several := len(e.holders[n]) > 1; {
		case several && !before:
			e.shared = slices.Insert(e.shared, i, n)
		case before && !several:
			e.shared = slices.Delete(e.shared, i, i+1)
		}
	}
}

// longAgo is before everything, but not zero.
var longAgo = time.Time{}.Add(1)

// replaceOrigins makes an origin of each member that has a number of its own, and drops others; turned are the numbers whose members
// changed, in ascending order, as what comes after depends on it.
func (e *Engine) replaceOrigins(turned []trust.Number) {
	for _, n := range turned {
		keys, o := e.holders[n], e.origins[n]
		if o != nil && n != e.number && (len(keys) != 1 || keys[0] != o.keys) {
			e.removeOrigin(o)
		}
	}
	maps.DeleteFunc(e.peers, func(id trust.Fingerprint, _ *peerState) bool { // also of who spoke and has never been an origin
		o := e.origins[id.Number()]
		return o == nil || o.id != id
	})
	for _, n := range turned {
		if keys := e.holders[n]; e.origins[n] == nil && len(keys) == 1 {
			e.addOrigin(e.members[keys[0]].id, keys[0])
			e.hurry = true
		}
	}
	if !e.nextExpiry.IsZero() {
		e.nextExpiry = longAgo // pages of few members end sooner than those of many
	}
	e.author.changed = true // links to nodes that came or went; pages that say what they should are left alone
	e.routesChanged()
}

func (e *Engine) addOrigin(id trust.Fingerprint, keys trust.PublicKeys) {
	e.origins[id.Number()] = &origin{id: id, number: id.Number(), keys: keys, slot: e.top.add(id)}
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
