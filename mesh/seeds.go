package mesh

import (
	"net/netip"
	"time"

	"github.com/weftnet/weft/trust"
)

// callWho brings the caller's targets up to date: seeds whose node is no member, known nodes that are dead, and those of
// nobody else.
func (o *owner) callWho(now time.Time) {
	for _, t := range o.caller.targets {
		if t.key.seed == "" {
			continue
		}
		up := !t.who.IsZero() && o.isAlive(t.who)
		if t.up != up {
			o.seedsChanged = true
		}
		o.caller.setUp(t, up, now)
	}
	if o.changed {
		o.callPeers(now)
	}
}

// callPeers wants every known node that is dead; one that said goodbye is called at leisure.
func (o *owner) callPeers(now time.Time) {
	for id, m := range o.members {
		key := targetKey{id: id}
		if m.alive() || len(o.book.at(id)) == 0 || o.gone(id) {
			o.caller.drop(key)
			continue
		}
		o.caller.setIdle(o.caller.want(key, now), m.left(), now)
	}
}

// callClone looks whether a clone lives at one of the endpoints of a node with our key: those of its claim, or those with
// which it started.
func (o *owner) callClone(at []netip.AddrPort, now time.Time) {
	at = without(at, o.self.local.Endpoints...)
	if len(at) == 0 {
		return
	}
	t := o.caller.want(targetKey{id: o.me.id}, now)
	t.at, t.limit = at, cloneCalls
}

// seedViews are the seeds as others see them, in the order of the configuration.
func (o *owner) seedViews() []SeedStatus {
	views := make([]SeedStatus, 0, len(o.cfg.Seeds))
	for _, s := range o.cfg.Seeds {
		t := o.caller.targets[targetKey{seed: s}]
		v := SeedStatus{Address: s, OK: t.up, Since: t.since, LastError: t.lastErr, Tries: t.tries, Peer: t.peer, Self: t.self}
		if !t.up {
			v.NextTry = t.next
		}
		views = append(views, v)
	}
	return views
}

// learned takes what a stream said about its other end.
func (o *owner) learned(r Remote) {
	if r.ID == o.me.id {
		o.meetClone(r)
		return
	}
	m := o.member(r.ID)
	if m.learn(r) {
		o.changed, o.peersChanged = true, true
	}
}

// meetClone decides which of two live nodes with our key stops.
func (o *owner) meetClone(r Remote) {
	if r.Boot == o.me.boot {
		return // our own stream to ourselves
	}
	ours := time.Since(o.cfg.Started)
	clone := &CloneError{Addr: r.Addr, Name: r.Name, Uptime: r.Uptime, Ours: ours}
	if youngerClone(ours, r.Uptime, o.me.boot, r.Boot) {
		o.cloned = clone
		return
	}
	said := "a younger node with our key was told to stop: " + r.Name + " at " + r.Addr.String()
	if said != o.cloneSeen {
		o.log.Warn("mesh.clone.younger", "name", r.Name, "address", r.Addr, "uptime", r.Uptime)
		o.cloneSeen, o.changed = said, true
	}
}

// presence takes that memberlist has a node as alive, or no longer. at is where it was when it started.
func (o *owner) presence(n memberName, alive bool, at []netip.AddrPort) {
	if n.id == o.me.id {
		if alive { // another boot of ours: an earlier one, or a clone; a call tells
			o.callClone(at, time.Now())
		}
		return
	}
	m := o.member(n.id)
	before := m.alive()
	m.presence(n.boot, alive, time.Now())
	if m.alive() != before {
		o.peersChanged = true
		o.logPresence(n.id, m)
	}
	if alive {
		o.returned(n.id)
		o.caller.found(n.id, time.Now())
	}
	o.changed = true
}

func (o *owner) logPresence(id trust.Fingerprint, m *member) {
	name := m.name
	if c := o.set.Get(id); c != nil {
		name = c.Name
	}
	event := "mesh.member.dead"
	if m.alive() {
		event = "mesh.member.alive"
	} else if m.left() {
		event = "mesh.member.left"
	}
	if name == "" { // its claim is still on the way
		o.log.Info(event, "id", id.Short())
		return
	}
	o.log.Info(event, "name", name, "id", id.Short())
}
