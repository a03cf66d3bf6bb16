package linkstate

import (
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// Step returns what is to be sent now, and when it wants to be called again at the latest: next is after now. Call it too after
// SetMembers, SetLinks, SetPolicy and Receive. It returns at most maxBurst messages at a time. A message that cannot be sent may be
// thrown away.
func (e *Engine) Step(now time.Time) (send []Message, next time.Time) {
	e.expire(now)
	e.announce(now)
	e.fetchStrangers(now)
	e.write(now)
	e.exchange(now)
	send = e.out.post(now, e.isUp)
	for _, m := range send {
		e.stats.Sent++
		e.stats.SentBytes += uint64(len(m.Body))
	}
	return send, e.next(now)
}

// next is when something is due.
func (e *Engine) next(now time.Time) time.Time {
	next := e.nextDigest
	sooner := func(at time.Time, due bool) {
		if due && at.Before(next) {
			next = at
		}
	}
	due, pending := e.author.dueAt(now, e.scaled)
	sooner(due, pending)
	sooner(e.nextExpiry, !e.nextExpiry.IsZero())
	sooner(e.nextChange, e.changed)
	sooner(e.nextGreet, len(e.greet) > 0)
	sooner(now.Add(pace), !e.out.empty())
	for _, p := range e.origins[e.number].pages {
		sooner(e.refreshDue(p), true)
	}
	if soonest := now.Add(time.Millisecond); next.Before(soonest) {
		return soonest
	}
	return next
}

// scaled is a time that is for refreshSize members, for as many as there are.
func (e *Engine) scaled(d time.Duration) time.Duration {
	return d * time.Duration(min(max(len(e.origins), refreshSize), refreshMost)) / refreshSize
}

// fresh reports whether a page is passed on and taken: shortly before its end it is not, so that clocks that differ keep no page alive.
func (e *Engine) fresh(p *page, now time.Time) bool { return p.age(now) < e.scaled(maxAge)-lastCall }

// refreshDue is when a page of this node is to be signed anew: sooner than it was meant to, where members have become so few since that
// others would take it for old.
func (e *Engine) refreshDue(p *page) time.Time {
	if soon := p.born.Add(e.scaled(2 * refreshEvery)); soon.Before(p.refresh) {
		return soon
	}
	return p.refresh
}

// expire drops pages that were not signed anew for maxAge, as scaled. This node's own are.
func (e *Engine) expire(now time.Time) {
	if e.nextExpiry.IsZero() || now.Before(e.nextExpiry) {
		return
	}
	e.nextExpiry = time.Time{}
	for _, o := range e.origins {
		for i := 0; i < len(o.pages); {
			p := o.pages[i]
			if end := p.born.Add(e.scaled(maxAge)); o.number == e.number || now.Before(end) {
				if e.nextExpiry.IsZero() || end.Before(e.nextExpiry) && end.After(now) {
					e.nextExpiry = end
				}
				i++
				continue
			}
			o.drop(p)
			e.stats.Expired++
			e.retouch(o, peersOf(p.links))
		}
	}
}

// write signs the pages that do not say what they should, when it is time, and those that are to be refreshed.
func (e *Engine) write(now time.Time) {
	own := e.origins[e.number]
	if due, pending := e.author.dueAt(now, e.scaled); pending && !now.Before(due) {
		signed := false
		for _, p := range e.author.contents(e.number, e.isMember, now) {
			if !own.has(p) && (len(own.pages) > 0 || len(p.links) > 0 || e.author.bits > 0) {
				e.publishNew(e.updated(p), now)
				signed = true
			}
		}
		e.author.done(signed, now, e.scaled)
	}
	for _, p := range append([]*page(nil), own.pages...) {
		if !p.dropped && !now.Before(e.refreshDue(p)) {
			e.publishNew(e.updated(p), now)
		}
	}
}

// updated is a page that says of its links what was measured last: what alone is not worth a page comes along with one. What it returns
// is not signed.
func (e *Engine) updated(p *page) *page {
	next := &page{version: p.version, policy: p.policy, links: slices.Clone(p.links)}
	for i, said := range next.links {
		o := e.origins[said.peer]
		if o == nil { // a member no more: the change that says so waits for its time
			continue
		}
		if l := e.author.links[o.id]; l != nil && l.quality != l.latest {
			l.quality = l.latest
			next.links[i].quality = l.latest
			e.relink(e.origins[e.number], o)
		}
	}
	return next
}

// publishNew stamps, signs, keeps and sends a page of this node.
func (e *Engine) publishNew(p *page, now time.Time) {
	e.stamp = max(e.stamp+1, e.cfg.Stamp())
	p.stamp = e.stamp
	p.sign(e.cfg.Identity, now)
	every := e.scaled(refreshEvery)
	p.refresh = now.Add(every + e.jitter(every/10))
	e.origins[e.number].put(p)
	e.stats.Signed++
	e.publish(p)
}

// exchange sends summaries that are due: to one direct peer from time to time, and to those whose link came up.
func (e *Engine) exchange(now time.Time) {
	switch {
	case e.nextDigest.IsZero():
		e.nextDigest = now.Add(time.Duration(e.cfg.Rand.Int64N(int64(digestEvery))))
	case e.hurry:
		if soon := now.Add(digestSoon + e.jitter(digestSoon/2)); soon.Before(e.nextDigest) {
			e.nextDigest = soon
		}
		e.hurry = false
	case !now.Before(e.nextDigest):
		e.nextDigest = now.Add(digestEvery + e.jitter(digestEvery/5))
		if n := len(e.direct); n > 0 {
			e.sendSummary(e.direct[e.cfg.Rand.IntN(n)].peer, now)
		}
		e.forgetAsked(now)
	}
	if len(e.greet) > 0 && !now.Before(e.nextGreet) {
		var to trust.Fingerprint
		to, e.greet = e.greet[0], e.greet[1:]
		e.nextGreet = now.Add(greetEvery + e.jitter(greetEvery/2))
		e.sendSummary(to, now)
	}
}

// forgetAsked keeps the record of what was asked for small.
func (e *Engine) forgetAsked(now time.Time) {
	for w, at := range e.asked {
		if now.Sub(at) >= askAgain {
			delete(e.asked, w)
		}
	}
}

// jitter is between -by and by.
func (e *Engine) jitter(by time.Duration) time.Duration {
	return time.Duration(e.cfg.Rand.Int64N(2*int64(by))) - by
}
