package mesh

import (
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	maxFetches   = 32             // claims that we wait for, and answers that we send, at once
	maxAnnouncer = 4              // nodes that are remembered as having a claim
	fetchTries   = 8              // then the next announcement or push/pull brings it
	fetchWait    = time.Second    // for an answer
	fetchRetry   = fetchWait / 10 // after the question could not be sent
)

// fetch is a claim that was announced to us.
type fetch struct {
	notice notice
	by     []memberName // who has it
	next   time.Time    // when to ask the next of them
	tries  int
}

// fetches are the long claims under way. It is pure: the clock comes in.
type fetches struct {
	asked   map[Digest]*fetch
	serving int // answers being sent
}

// want notes that a node has a claim.
func (f *fetches) want(n notice, now time.Time) {
	w := f.asked[n.digest]
	switch {
	case w == nil && len(f.asked) < maxFetches:
		f.asked[n.digest] = &fetch{notice: n, by: []memberName{n.by}, next: now}
	case w != nil && len(w.by) < maxAnnouncer && !slices.Contains(w.by, n.by):
		w.by = append(w.by, n.by)
	}
}

// due are the questions to ask now: whom, and about what.
func (f *fetches) due(now time.Time) []notice {
	var ask []notice
	for digest, w := range f.asked {
		if w.next.After(now) {
			continue
		}
		if w.tries >= fetchTries {
			delete(f.asked, digest)
			continue
		}
		w.notice.by = w.by[w.tries%len(w.by)]
		w.tries++
		w.next = now.Add(fetchWait)
		ask = append(ask, w.notice)
	}
	return ask
}

// failed says that a question could not be sent: the next one may go to another node.
func (f *fetches) failed(d Digest, now time.Time) {
	if w := f.asked[d]; w != nil {
		w.next = now.Add(fetchRetry)
	}
}

// next is when due has something; zero: never.
func (f *fetches) next() time.Time {
	var first time.Time
	for _, w := range f.asked {
		first = earlier(first, w.next)
	}
	return first
}

// announced notes that somebody has a claim that we do not.
func (o *owner) announced(body []byte) error {
	n, err := parseNotice(body)
	if err != nil {
		return err
	}
	if !o.set.Has(n.digest) && n.by.id != o.me.id {
		o.fetches.want(n, time.Now())
	}
	return nil
}

// fetchClaims asks for what is due.
func (o *owner) fetchClaims(now time.Time) {
	for _, n := range o.fetches.due(now) {
		to := n.by
		n.by = o.me
		ask := message(messageFetch, n.append(nil))
		o.spawn(func() {
			if o.sendReliable(to, ask) != nil {
				o.mail.post(func(o *owner) { o.fetches.failed(n.digest, time.Now()) })
			}
		})
	}
}

// asked sends a claim to who asked for it.
func (o *owner) asked(body []byte) error {
	n, err := parseNotice(body)
	if err != nil {
		return err
	}
	c := o.set.Get(n.id)
	if c == nil || c.digest != n.digest || o.fetches.serving >= maxFetches || n.by.id == o.me.id {
		return nil
	}
	o.fetches.serving++
	answer := message(messageClaim, c.raw)
	o.spawn(func() {
		_ = o.sendReliable(n.by, answer) // who asked asks again
		o.mail.post(func(o *owner) { o.fetches.serving-- })
	})
	return nil
}

// sendReliable runs in a goroutine of its own.
func (o *owner) sendReliable(to memberName, b []byte) error {
	node := &memberlist.Node{Name: to.String(), Addr: syntheticIP(to.id), Port: DefaultPort}
	err := o.list.SendReliable(node, b)
	if err != nil {
		o.log.Debug("mesh.send.failed", "to", to.id.Short(), "error", err)
	}
	return err
}
