package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// maxRefused is how many nodes whose claims were not taken are remembered, for people.
const maxRefused = 64

// admissions is what the owner knows about nodes that take no part. A claim that was not taken is not in the set, because no
// authority vouches for it: every strict node of the same authorities comes to the same result, so sets merge as without. One
// that was barred is in the set, and counts again when the clock or a new claim says so. The newest word of a node that an authority
// has vouched for is taken in any case: it has signed it, and what it said before is void. It is barred where nobody vouches for it.
type admissions struct {
	refused map[trust.Fingerprint]refusal
	barred  map[trust.Fingerprint]refusal
	heirs   map[trust.Fingerprint]*Claim // by the identity whose place their node has taken
	next    time.Time                    // when a claim expires, or begins to count; zero: never
}

// refusal is a claim that does not count, and why.
type refusal struct {
	claim *Claim
	why   string
}

func newAdmissions() admissions {
	return admissions{refused: map[trust.Fingerprint]refusal{}, barred: map[trust.Fingerprint]refusal{}}
}

// vouched reports whether a claim that was heard is taken: an authority vouches for it, or has done so for an earlier one of that
// node, or none is asked for.
func (o *owner) vouched(c *Claim) bool {
	certificate, err := o.cfg.Admission.Vouched(c.id, c.Name, c.Certificate)
	if err == nil {
		c.certificate = certificate
		return true
	}
	if known := o.set.Get(c.id); known != nil {
		if c.supersedes(known) {
			o.refusedClaims.Add(1)
		}
		return true
	}
	a := &o.admissions
	before, known := a.refused[c.id]
	if known && before.why == err.Error() && before.claim.Version >= c.Version {
		return false // others pass it on again and again
	}
	o.refusedClaims.Add(1)
	if !known && len(a.refused) >= maxRefused {
		return false
	}
	a.refused[c.id] = refusal{c, err.Error()}
	o.changed = true
	if before.why != err.Error() {
		o.logRefused(c, err.Error())
	}
	return false
}

func (o *owner) logRefused(c *Claim, why string) {
	o.log.Warn("mesh.claim.refused", "name", c.Name, "id", c.id.Short(), "reason", why)
}

// took notes that a claim is in the set: earlier ones of its node that were not taken are forgotten, a newer one replaces it.
func (o *owner) took(c *Claim) {
	if r, ok := o.admissions.refused[c.id]; ok {
		delete(o.admissions.refused, c.id)
		o.set.Add(r.claim)
	}
}

// judge finds out which claims of the set count at this moment, and says in the log what is news. Our own always does: when our certificate expires the others part
// from us, and what runs on this host keeps its addresses.
func (o *owner) judge(now time.Time) {
	a := &o.admissions
	before := a.barred
	a.barred, a.next, a.heirs = map[trust.Fingerprint]refusal{}, time.Time{}, heirsOf(o.dropped.heirs(), o.set.Claims())
	o.noteHeir(a.heirs[o.me.id])
	for _, c := range o.set.Claims() {
		if c.id == o.me.id {
			continue
		}
		a.next = earlier(a.next, c.turning(now))
		why := o.against(c, now)
		if why != "" {
			a.barred[c.id] = refusal{c, why}
		}
		o.judged(c, before[c.id].why, why)
	}
}

// against says why a claim of the set does not count at this moment, or "". A claim that no certificate vouched for when it came is
// checked again: its reason is known to Vouched alone.
func (o *owner) against(c *Claim, now time.Time) string {
	if heir := o.admissions.heirs[c.id]; heir != nil {
		return fmt.Sprintf("its key was replaced: %s (%s) has taken its place", heir.Name, heir.id.Short())
	}
	err := o.cfg.Admission.Standing(c.id, c.certificate, now)
	if c.certificate == nil {
		err = o.cfg.Admission.Admit(c.id, c.Name, c.Certificate, now)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// judged says in the log when a claim begins or ceases to count.
func (o *owner) judged(c *Claim, before, why string) {
	switch {
	case before == why, c.Kind == KindReleased: // it asks for nothing
		return
	case why == "":
		o.log.Info("mesh.claim.admitted", "name", c.Name, "id", c.id.Short())
	default:
		o.logRefused(c, why)
	}
	o.changed = true
}

// turning is when the claim's certificate next begins or ends to count; zero: never.
func (c *Claim) turning(now time.Time) time.Time {
	switch {
	case c.certificate == nil:
	case now.Before(c.certificate.NotBefore.Add(-trust.ClockTolerance)):
		return c.certificate.NotBefore.Add(-trust.ClockTolerance)
	case now.Before(c.certificate.NotAfter):
		return c.certificate.NotAfter
	}
	return time.Time{}
}

// admitted are the claims that count, by fingerprint.
func (o *owner) admitted() []*Claim {
	return slices.DeleteFunc(o.set.Claims(), func(c *Claim) bool {
		_, barred := o.admissions.barred[c.id]
		return barred
	})
}

// claimOf is a node's claim if it counts; else nil, and why it does not, if that is known.
func (o *owner) claimOf(id trust.Fingerprint) (*Claim, string) {
	if r, barred := o.admissions.barred[id]; barred {
		return nil, r.why
	}
	if c := o.set.Get(id); c != nil {
		return c, ""
	}
	return nil, o.admissions.refused[id].why
}

// nameOf is what a node called itself in the claim that does not count; empty: there is none.
func (a *admissions) nameOf(id trust.Fingerprint) string {
	for _, nodes := range []map[trust.Fingerprint]refusal{a.barred, a.refused} {
		if r, ok := nodes[id]; ok {
			return r.claim.Name
		}
	}
	return ""
}

// conflicts are the prefixes of all claims that do not count, by fingerprint and prefix.
func (a *admissions) conflicts() []Conflict {
	var list []Conflict
	for _, nodes := range []map[trust.Fingerprint]refusal{a.refused, a.barred} {
		for _, r := range nodes {
			for _, p := range slices.Concat(r.claim.Subnets, r.claim.Routes) {
				list = append(list, Conflict{Kind: ConflictRefused, Prefix: p, Loser: r.claim.id, LoserName: r.claim.Name, Reason: r.why})
			}
		}
	}
	return sorted(list)
}

// uncovered says why the certificate of a claim does not allow one of its prefixes, or "".
func (c *Claim) uncovered(p netip.Prefix, allows func(*trust.Certificate, netip.Prefix) bool) string {
	switch {
	case c.certificate == nil:
		return "no certificate allows it"
	case !allows(c.certificate, p):
		return "its certificate does not allow it"
	}
	return ""
}
