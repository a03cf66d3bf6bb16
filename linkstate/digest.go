package linkstate

import (
	"cmp"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	digestEvery = 10 * time.Second       // with one direct peer, drawn; within a fifth of that
	digestSoon  = 500 * time.Millisecond // after members came, whose pages are here nowhere
	greetEvery  = 200 * time.Millisecond // with peers whose link came up, one after the other
	askAgain    = 2 * time.Second        // what was asked for is asked for again

	maxGreet   = 8 // such peers
	maxAnswers = 8 // differing buckets that are answered at a time

	// summaryRate and summaryBurst bound the summaries that are answered: a node that has just come differs from all its peers, of whom
	// each calls it, and a few have all that it needs.
	summaryRate  = 2
	summaryBurst = 4
	// summaryEach is that of one peer, which sends one in 10 s at most.
	summaryEach      = 0.5
	summaryEachBurst = 2

	answerRate  = 200 // pages a second that a peer gets for the asking
	answerBurst = 500
)

// bucketOf is in which of 2^k equal ranges of numbers n lies; buckets is 2^k.
func bucketOf(n trust.Number, buckets int) int {
	bits := 0
	for 1<<bits < buckets {
		bits++
	}
	return int(uint64(n) >> (64 - bits))
}

// bucketEnds are the first and the last number of a bucket.
func bucketEnds(i, buckets int) (first, last trust.Number) {
	width := ^uint64(0)/uint64(buckets) + 1 // 0: all numbers
	first = trust.Number(uint64(i) * width)
	return first, first + trust.Number(width-1)
}

// digests are those of the buckets.
func (e *Engine) digests(buckets int, now time.Time) []uint64 {
	digests := make([]uint64, buckets)
	for n, o := range e.origins {
		i := bucketOf(n, buckets)
		for _, p := range o.pages {
			if e.fresh(p, now) {
				digests[i] ^= p.digest
			}
		}
	}
	return digests
}

// buckets is how many the database is divided into.
func (e *Engine) buckets() int {
	n, buckets := e.pages(), 1
	for buckets < maxBuckets && buckets*bucketPages < n {
		buckets *= 2
	}
	return buckets
}

// sendSummary begins an exchange with a direct peer.
func (e *Engine) sendSummary(to trust.Fingerprint, now time.Time) {
	e.out.news = append(e.out.news, letter{to: to, body: summaryMessage(e.digests(e.buckets(), now))})
}

// receiveSummary answers with the versions of buckets that differ: from a drawn one on, so that all have their turn.
func (e *Engine) receiveSummary(from trust.Fingerprint, b []byte, now time.Time) error {
	theirs, err := parseSummary(b)
	if err != nil {
		return err
	}
	ours := e.digests(len(theirs), now)
	if slices.Equal(ours, theirs) {
		e.greet = slices.DeleteFunc(e.greet, func(id trust.Fingerprint) bool { return id == from })
		return nil
	}
	if !e.peer(from).summaries.take(now, summaryEach, summaryEachBurst) || !e.answered.take(now, summaryRate, summaryBurst) {
		return nil // the next one will do
	}
	answers, start := 0, e.cfg.Rand.IntN(len(theirs))
	for i := range theirs {
		i = (i + start) % len(theirs)
		if ours[i] != theirs[i] && answers < maxAnswers {
			answers++
			e.sendVersions(from, i, len(theirs), now)
		}
	}
	return nil
}

// sendVersions says all that there is of a bucket's origins, in as many messages as it takes; all versions of an origin are in one.
func (e *Engine) sendVersions(to trust.Fingerprint, bucket, buckets int, now time.Time) {
	first, last := bucketEnds(bucket, buckets)
	var list []version
	for _, o := range e.between(first, last) {
		versions := o.versions(func(p *page) bool { return e.fresh(p, now) })
		if len(list)+len(versions) > maxVersions {
			e.answer(to, versionsMessage(first, o.number-1, list), now)
			first, list = o.number, nil
		}
		list = append(list, versions...)
	}
	e.answer(to, versionsMessage(first, last, list), now)
}

// between are the origins of a range, in ascending order.
func (e *Engine) between(first, last trust.Number) []*origin {
	var list []*origin
	for n, o := range e.origins {
		if n >= first && n <= last {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *origin) int { return cmp.Compare(a.number, b.number) })
	return list
}

// receiveVersions asks for what is news, and sends what is news there.
func (e *Engine) receiveVersions(from trust.Fingerprint, b []byte, now time.Time) error {
	first, last, versions, err := parseVersions(b)
	if err != nil {
		return err
	}
	theirs := map[trust.Number][]version{}
	for _, v := range versions {
		theirs[v.origin] = append(theirs[v.origin], v)
	}
	var wants []want
	for _, o := range e.between(first, last) {
		wants = append(wants, e.missing(o, theirs[o.number])...)
		for _, p := range o.pages {
			if e.fresh(p, now) && !outdated(p.version, theirs[o.number]) {
				e.answerPage(from, p, now)
			}
		}
	}
	e.request(from, wants, now)
	return nil
}

// missing are those of the versions that would be news. Nobody has signed a version: one of this node's own pages that is newer than what
// this node knows of is asked for like any other, and only the page shows that it is so.
func (e *Engine) missing(o *origin, versions []version) (wants []want) {
	have := o.versions(nil)
	for _, v := range versions {
		if !outdated(v, have) {
			wants = append(wants, want{v.origin, v.span})
		}
	}
	return wants
}

// request asks a peer for pages, but not for what was asked for just now.
func (e *Engine) request(to trust.Fingerprint, wants []want, now time.Time) {
	wants = slices.DeleteFunc(wants, func(w want) bool {
		asked, before := e.asked[w]
		return before && now.Before(asked.Add(askAgain))
	})
	for chunk := range slices.Chunk(wants, maxWants) {
		e.answer(to, requestMessage(chunk), now)
	}
	for _, w := range wants {
		e.asked[w] = now
	}
}

// receiveRequest sends the pages that were asked for.
func (e *Engine) receiveRequest(from trust.Fingerprint, b []byte, now time.Time) error {
	wants, err := parseRequest(b)
	if err != nil {
		return err
	}
	for _, w := range wants {
		o := e.origins[w.origin]
		if o == nil {
			continue
		}
		for _, p := range o.pages {
			if e.fresh(p, now) && p.span.overlaps(w.span) {
				e.answerPage(from, p, now)
			}
		}
	}
	return nil
}

// answer sends a body for the asking.
func (e *Engine) answer(to trust.Fingerprint, body []byte, now time.Time) {
	e.answerLetter(letter{to: to, body: body}, now)
}

// answerPage sends a page for the asking.
func (e *Engine) answerPage(to trust.Fingerprint, p *page, now time.Time) {
	e.answerLetter(letter{to: to, page: p}, now)
}

// answerLetter sends what a peer caused to be sent, within what it may cause. What is too much it can ask for again.
func (e *Engine) answerLetter(l letter, now time.Time) {
	if !e.peer(l.to).answers.take(now, answerRate, answerBurst) {
		e.stats.Flooded++
		return
	}
	e.out.answers = append(e.out.answers, l)
}
