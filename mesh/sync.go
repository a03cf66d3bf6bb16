package mesh

import (
	"math/rand/v2"
	"time"
)

// syncClaims makes up for gossip that was lost: while a live member's claim is missing, it exchanges state with a random
// member, first after a while in which gossip mostly brings it, then ever more seldom, down to the usual push/pull.
func (o *owner) syncClaims(now time.Time) {
	if !o.claimMissing() {
		o.sync, o.syncWait = time.Time{}, 0
		return
	}
	if o.sync.IsZero() {
		o.syncWait = 5 * o.cfg.Timing.Gossip
		o.sync = now.Add(o.caller.jitter(o.syncWait, 0.5))
	}
	if now.Before(o.sync) {
		return
	}
	o.syncWait = min(2*o.syncWait, o.cfg.Timing.PushPull)
	o.sync = now.Add(o.caller.jitter(o.syncWait, 0.5))
	if who, ok := o.randomMember(); ok {
		o.spawn(func() {
			if _, err := o.list.Join([]string{who.String() + "/" + joinAddr(who.id)}); err != nil {
				o.log.Debug("mesh.sync.failed", "with", who.id.Short(), "error", err)
			}
		})
	}
}

func (o *owner) claimMissing() bool {
	for id, m := range o.members {
		if _, refused := o.admissions.refused[id]; !refused && m.alive() && o.set.Get(id) == nil {
			return true
		}
	}
	return false
}

// randomMember chooses among those alive that we can call.
func (o *owner) randomMember() (memberName, bool) {
	var choice []memberName
	for id, m := range o.members {
		if len(o.book.at(id)) == 0 {
			continue
		}
		for boot := range m.boots {
			choice = append(choice, memberName{id, boot})
		}
	}
	if len(choice) == 0 {
		return memberName{}, false
	}
	return choice[rand.IntN(len(choice))], true
}
