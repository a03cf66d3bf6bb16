package linkstate

import (
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	// maxBurst is how many messages Step returns at a time, and pace how long it waits then: 64 KiB in 5 ms, which socket buffers of
	// the usual size (net.core.rmem_default, 208 KiB) take from three peers at once.
	maxBurst = 60
	pace     = 5 * time.Millisecond
)

// outbox are messages that wait, news before answers.
type outbox struct {
	news    []letter
	answers []letter
}

// letter is a page, or another body, for a peer.
type letter struct {
	to   trust.Fingerprint
	page *page
	body []byte
}

// next takes the first letter out.
func (o *outbox) next() (letter, bool) {
	queue := &o.news
	if len(*queue) == 0 {
		queue = &o.answers
	}
	if len(*queue) == 0 {
		return letter{}, false
	}
	l := (*queue)[0]
	(*queue)[0] = letter{}
	*queue = (*queue)[1:]
	return l, true
}

func (o *outbox) empty() bool { return len(o.news)+len(o.answers) == 0 }

// post takes up to maxBurst letters out and makes messages of them. A page that is in force no longer is left out, and so is what is for
// a peer that is not up.
func (o *outbox) post(now time.Time, up func(trust.Fingerprint) bool) (send []Message) {
	for len(send) < maxBurst {
		l, ok := o.next()
		if !ok {
			break
		}
		if l.page != nil && l.page.dropped || !up(l.to) {
			continue
		}
		if l.page != nil {
			l.body = pageMessage(l.page, now)
		}
		send = append(send, Message{l.to, l.body})
	}
	return send
}
