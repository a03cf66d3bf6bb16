package linkstate

import (
	"cmp"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	// spacing is the least time between two changes of this node's pages, but for links that go down. Like settle, it is for up to
	// refreshSize members, and longer in proportion with more: what a change costs each node grows with their square.
	spacing = 5 * time.Second
	// settle is how long the first change waits for others, such as the further links of a node that has just come.
	settle = 300 * time.Millisecond
	// urgentRate and urgentBurst bound how often links that go down make pages before spacing is over.
	urgentRate  = 1
	urgentBurst = 8
	// classEvery and classBurst bound how often pages are made of which nothing is news but the classes of links: a link whose round trip
	// wanders from one to another would cost all others a page in each spacing. Like spacing, classEvery grows with the members.
	classEvery = time.Minute
	classBurst = 4

	// The following two are for up to refreshSize members, too. With more they are longer in proportion: the more nodes there are, the more
	// pages each has, and the more of them each of its peers gets; but what is lost is mended by digests all the same. Beyond
	// refreshMost members they grow no more.
	refreshEvery = 10 * time.Minute // a page that does not change is signed anew, within a tenth of that
	maxAge       = 30 * time.Minute // a page counts no longer: two refreshes were lost, and the digests of that time

	refreshSize = 100
	refreshMost = 1200

	lastCall = time.Minute // so long before its end a page is not passed on any more

	sparse = maxLinks * 2 / 3 // pages are joined when none would have more links
)

// author decides when this node signs pages, and what they say.
type author struct {
	policy  Policy
	links   map[trust.Fingerprint]*ownLink
	bits    uint8     // its pages are 2^bits
	changed bool      // something may differ from the pages since last
	classed bool      // so may the classes of links
	urgent  bool      // a link went down that the pages say is up
	first   time.Time // when changed was first seen, or classed; zero: not yet
	minor   bool      // first is when classed was
	last    time.Time // when pages were signed for a change
	hurry   bucket    // urgent pages
	classes bucket    // times when pages were made for classes alone
	release time.Time // when the next link that is up is held down no longer; zero: none is
}

// dueAt is when pages are to be made for a change; scaled is that of the engine.
func (a *author) dueAt(now time.Time, scaled func(time.Duration) time.Duration) (time.Time, bool) {
	if !a.changed && !a.classed {
		return a.release, !a.release.IsZero()
	}
	if a.first.IsZero() || a.minor && a.changed {
		a.first = now
	}
	a.minor = !a.changed
	if a.urgent && a.hurry.room(now, urgentRate, urgentBurst) {
		return now, true
	}
	due := a.first.Add(scaled(settle))
	if next := a.last.Add(scaled(spacing)); !a.last.IsZero() && next.After(due) {
		due = next
	}
	if !a.changed {
		due = a.classesDue(due, now, scaled)
	}
	return due, true
}

// classesDue is when pages are to be made of which nothing is news but classes, not before due.
func (a *author) classesDue(due, now time.Time, scaled func(time.Duration) time.Duration) time.Time {
	if next := a.classes.next(now, classRate(scaled), classBurst); next.After(due) {
		due = next
	}
	if !a.release.IsZero() && a.release.Before(due) {
		return a.release
	}
	return due
}

// classRate is classEvery, as so many in a second.
func classRate(scaled func(time.Duration) time.Duration) float64 {
	return 1 / scaled(classEvery).Seconds()
}

// done notes that the pages say what they should; signed: some of them had to be signed for it.
func (a *author) done(signed bool, now time.Time, scaled func(time.Duration) time.Duration) {
	if signed && a.urgent {
		a.hurry.take(now, urgentRate, urgentBurst)
	}
	if signed && !a.changed {
		a.classes.take(now, classRate(scaled), classBurst)
	}
	if signed {
		a.last = now
	}
	a.changed, a.classed, a.urgent, a.first = false, false, false, time.Time{}
}

// contents are the pages as they should be, without stamps: all links that are up, of peers that satisfy member.
func (a *author) contents(origin trust.Number, member func(*ownLink) bool, now time.Time) []*page {
	var links []stated
	a.release = time.Time{}
	for _, l := range a.links {
		if until := l.heldUntil(); l.up && until.After(now) && (a.release.IsZero() || until.Before(a.release)) {
			a.release = until
		}
		if l.statedUp(now) && member(l) {
			links = append(links, stated{l.number, l.quality})
		}
	}
	slices.SortFunc(links, func(a, b stated) int { return cmp.Compare(a.peer, b.peer) })
	a.bits = divide(links, a.bits)
	pages := make([]*page, 1<<a.bits)
	for i := range pages {
		s := span{a.bits, uint8(i)}
		pages[i] = &page{version: version{origin: origin, span: s}, policy: a.policy, links: within(links, s)}
	}
	return pages
}

// divide says into how many pages links are divided, as bits; before is how many there were.
func divide(links []stated, before uint8) uint8 {
	bits := before
	for bits < maxBits && fullest(links, bits) > maxLinks {
		bits++
	}
	for bits <= before && bits > 0 && fullest(links, bits-1) <= sparse {
		bits--
	}
	return bits
}

// fullest is how many links the fullest of 2^bits pages has.
func fullest(links []stated, bits uint8) int {
	most, have := 0, map[uint64]int{}
	for _, l := range links {
		i := uint64(l.peer) >> (64 - bits)
		have[i]++
		most = max(most, have[i])
	}
	return most
}

// within are the links of a range, at most maxLinks: so many more in the finest range are no chance, and those beyond are left out.
func within(links []stated, s span) []stated {
	var list []stated
	for _, l := range links {
		if s.contains(l.peer) && len(list) < maxLinks {
			list = append(list, l)
		}
	}
	return list
}
