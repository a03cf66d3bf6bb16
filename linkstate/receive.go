package linkstate

import (
	"fmt"
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	// gather is the least time between two generations of routes, for up to refreshSize members and longer in proportion with more, as
	// finding them anew takes longer there. What is lost is not waited for.
	gather = 100 * time.Millisecond

	// originRate and originBurst bound the new pages of one node that are taken: twice what an author signs at most.
	originRate  = 12
	originBurst = 128
	// forgedRate and forgedBurst bound the signatures that one peer has checked in vain.
	forgedRate  = 1
	forgedBurst = 20
)

// Receive takes the body of a link state frame that a node sent within its session. body is not kept. It reports whether routes may
// have changed. Errors wrap ErrMessage (it cannot be read), ErrSigner (not by whom it says, or not a member), or ErrFlood (too much of
// it); Stats counts them. None of them needs an answer. Call Step afterwards: there may be something to send at once.
func (e *Engine) Receive(from trust.Fingerprint, body []byte, now time.Time) (changed bool, err error) {
	before := e.generation
	e.stats.Received++
	if len(body) == 0 || len(body) > MaxMessage {
		e.stats.Malformed++
		return false, fmt.Errorf("linkstate: %w: %d bytes", ErrMessage, len(body))
	}
	malformed := func(err error) error {
		if err != nil {
			e.stats.Malformed++
		}
		return err
	}
	switch kind(body[0]) {
	case kindPage:
		err = e.receivePage(from, body[1:], now)
	case kindSummary:
		err = malformed(e.receiveSummary(from, body[1:], now))
	case kindVersions:
		err = malformed(e.receiveVersions(from, body[1:], now))
	case kindRequest:
		err = malformed(e.receiveRequest(from, body[1:], now))
	default:
		err = malformed(fmt.Errorf("linkstate: %w: kind %d", ErrMessage, body[0]))
	}
	e.announce(now)
	return e.generation != before, err
}

// receivePage takes a page if it is news, and passes it on.
func (e *Engine) receivePage(from trust.Fingerprint, b []byte, now time.Time) error {
	p, err := parsePage(b, now, e.cfg.Shared)
	if err != nil {
		e.stats.Malformed++
		return err
	}
	o := e.origins[p.origin]
	if o == nil {
		e.stats.Foreign++
		e.remember(p.origin, from)
		return fmt.Errorf("linkstate: %w: page of %v", ErrSigner, p.origin)
	}
	if !e.fresh(p, now) || outdated(p.version, o.versions(nil)) {
		e.stats.Known++
		return nil
	}
	if err := e.vouch(o, p, from, now); err != nil {
		return err
	}
	if p.origin == e.number {
		e.surpass(p.stamp)
		return nil
	}
	if !o.rate.take(now, originRate, originBurst) {
		e.stats.Flooded++
		return fmt.Errorf("linkstate: %w of %v", ErrFlood, p.origin)
	}
	e.stats.Taken++
	if len(o.pages) == 0 && e.isUp(o.id) {
		e.meet(o.id)
	}
	e.install(o, p)
	e.passOn(o, p, from)
	return nil
}

// vouch checks the signature of a page. Who sends many that do not match has no more of them checked for a while.
func (e *Engine) vouch(o *origin, p *page, from trust.Fingerprint, now time.Time) error {
	forged := &e.peer(from).forged
	if !forged.room(now, forgedRate, forgedBurst) {
		e.stats.Flooded++
		return fmt.Errorf("linkstate: %w: forged pages from %s", ErrFlood, from.Short())
	}
	if !e.cfg.Shared.verify(p, o.keys) {
		forged.take(now, forgedRate, forgedBurst)
		e.stats.Forged++
		return fmt.Errorf("linkstate: %w: page of %v", ErrSigner, p.origin)
	}
	return nil
}

// surpass makes this node's pages newer than a stamp that others have of it: of an earlier run, or of a time before a state directory
// was rolled back.
func (e *Engine) surpass(stamp uint64) {
	if stamp <= e.stamp || stamp > maxStamp {
		return
	}
	e.stamp = stamp
	for _, p := range e.origins[e.number].pages {
		p.refresh = time.Time{}
	}
}

// install puts a page into the database and into the graph. One that was signed anew without a change costs little.
func (e *Engine) install(o *origin, p *page) {
	touched := changes(o, p)
	o.put(p)
	if end := p.born.Add(e.scaled(maxAge)); e.nextExpiry.IsZero() || end.Before(e.nextExpiry) {
		e.nextExpiry = end
	}
	e.retouch(o, touched)
}

// changes are the peers of which a page that is news may say something else than the pages of o that are in force.
func changes(o *origin, p *page) []trust.Number {
	var overlap []*page
	for _, q := range o.pages {
		if q.span.overlaps(p.span) {
			overlap = append(overlap, q)
		}
	}
	if len(overlap) == 1 {
		return differences(p.span.cut(overlap[0].links), p.links)
	}
	touched := peersOf(p.links)
	for _, q := range overlap {
		touched = append(touched, peersOf(q.links)...)
	}
	return touched
}

// differences are the peers that only one of two lists has, or both with another quality.
func differences(a, b []stated) (peers []trust.Number) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			a, b = a[1:], b[1:]
		case a[0].peer == b[0].peer:
			peers, a, b = append(peers, a[0].peer), a[1:], b[1:]
		case b[0].peer < a[0].peer:
			peers, b = append(peers, b[0].peer), b[1:]
		default:
			peers, a = append(peers, a[0].peer), a[1:]
		}
	}
	return append(append(peers, peersOf(a)...), peersOf(b)...)
}

func peersOf(links []stated) []trust.Number {
	list := make([]trust.Number, len(links))
	for i, l := range links {
		list[i] = l.peer
	}
	return list
}

// retouch brings the graph up to date after pages of o changed that named those peers.
func (e *Engine) retouch(o *origin, peers []trust.Number) {
	newest := o.newest()
	if relay := newest != nil && newest.policy == AllowRelay; e.top.setRelay(o.slot, relay) {
		e.noteChange(!relay)
	}
	for _, n := range peers {
		if peer := e.origins[n]; peer != nil {
			e.relink(o, peer)
		}
	}
}

// relink brings the link of two nodes up to date: it is in use when both say that it is up.
func (e *Engine) relink(a, b *origin) {
	forth, up := e.says(a, b)
	back, too := e.says(b, a)
	var changed bool
	if up && too {
		changed = e.top.link(a.slot, b.slot, forth.worse(back).cost())
	} else {
		changed = e.top.unlink(a.slot, b.slot)
	}
	if changed {
		e.noteChange(!up || !too)
	}
}

// noteChange notes that the graph changed. A way that is lost counts at once.
func (e *Engine) noteChange(lost bool) {
	e.changed = true
	if lost {
		e.routesChanged()
	}
}

// announce lets the changes of the graph count that make nothing worse than it was but in cost. A node that starts in a large cluster
// gets hundreds of pages in a second, after each of which its owner would look for ways to all that it does not reach directly.
func (e *Engine) announce(now time.Time) {
	if e.changed && !now.Before(e.nextChange) {
		e.nextChange = now.Add(e.scaled(gather))
		e.routesChanged()
	}
}

// says is what a node says of its link to another; for this node, what it measured.
func (e *Engine) says(a, b *origin) (quality, bool) {
	if a.number != e.number {
		return a.to(b.number)
	}
	l := e.author.links[b.id]
	if l == nil || !l.up {
		return quality{}, false
	}
	return l.quality, true
}

// routesChanged forgets what was computed.
func (e *Engine) routesChanged() {
	e.changed = false
	e.generation++
	e.finder.forget()
}
