package router

import (
	"fmt"
	"strings"
	"time"
)

// silenceTime is how long a peer has to have answered no call before the log says so: of one that answers late nothing is said.
const silenceTime = 10 * time.Second

// noteSilence tells once of a peer that has answered no call since it is known, though gossip knows that it is there: of one that was
// reached before, tellDown tells.
func (r *Router) noteSilence(p *peer, now time.Time) {
	if p.silent || p.away || p.reason != notCalled || len(p.tried) == 0 || now.Sub(p.tried[0].First) < silenceTime {
		return
	}
	p.silent = true
	r.log.Warn("router.peer.unanswered", "peer", p.config.Name, "id", p.id.Short(), "tried", triedText(p.tried), "since", p.tried[0].First)
}

// triedText lists the endpoints that were called, and how often.
func triedText(tried []Attempt) string {
	texts := make([]string, 0, len(tried))
	for _, a := range tried {
		texts = append(texts, fmt.Sprintf("UDP to %v: calls %d", a.Endpoint, a.Calls))
	}
	return strings.Join(texts, "; ")
}
