package router

import (
	"time"

	"github.com/weftnet/weft/encap"
)

const (
	cookieBatch = 64                   // cookies that are sent at once
	cookieDelay = 2 * time.Millisecond // for which requests are gathered: under a flood, waking up costs more than the cookies
)

// cookieFrames are the cookies of one batch, in memory that serves for all batches.
type cookieFrames struct {
	memory [cookieBatch * encap.CookieFrameLen]byte
	trains []encap.Train
}

// runCookies answers the requests of the limiter until the router stops, where there is no control port that does.
func (r *Router) runCookies() {
	var batch cookieFrames
	for {
		select {
		case q := <-r.limiter.requests:
			time.Sleep(cookieDelay)
			r.giveCookies(&batch, q)
		case <-r.done:
			return
		}
	}
}

// giveCookies answers a request, and those that wait behind it.
func (r *Router) giveCookies(batch *cookieFrames, q cookieRequest) {
	batch.trains = batch.trains[:0]
	now := r.now()
	for more := true; more; {
		batch.add(r, q, now)
		if len(batch.trains) == cookieBatch {
			break
		}
		q, more = r.limiter.request()
	}
	r.limiter.replied.Add(uint64(r.sendTrains(batch.trains)))
}

// add makes the cookie of a request. Without randomness there is none.
func (b *cookieFrames) add(r *Router, q cookieRequest, now time.Time) {
	at := len(b.trains) * encap.CookieFrameLen
	if frame, err := r.limiter.cookies.Reply(b.memory[at:at], q.mark, q.from.Addr, now); err == nil {
		b.trains = r.appendControl(b.trains, frame, q.from)
	}
}
