package router

import (
	"github.com/weftnet/weft/encap"
)

// A question of a trace costs an answer that is not longer, and of one peer only so many are answered.
const (
	traceRate  = 10 // in a second
	traceBurst = 20 // at once
)

// answerTrace answers a question of a trace, by the peer's path: what comes back shows that packets to it get there, too. While it has
// none the answer goes to where the question came from.
func (r *Router) answerTrace(p *peer, m message, body []byte) {
	q, err := encap.ParseTrace(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	if !p.traces.take(r.clock()) {
		r.ctl.drop(TraceLimited, 1)
		return
	}
	a := encap.TraceAnswer{ID: q.ID, Clock: r.now().UnixMilli(), Seen: underlay(m.from), Verdict: r.traceVerdict(p, m.through, q)}
	if m.through != nil {
		a.From = m.through.number
	}
	to := m.from
	if path := p.path.Load(); path != nil {
		to = path.endpoint
		if w := path.route; w != nil && w.first != nil {
			a.Back = w.numbers()
		}
	}
	r.sendControl(p, encap.TraceReply, a.Append(nil), to)
}

// traceVerdict is the drop reason that what a question of p is about would meet here; empty: none.
func (r *Router) traceVerdict(p, through *peer, q encap.TraceQuestion) string {
	table := r.table.Load()
	reason, ok := Reason(0), true
	switch {
	case q.Next != 0:
		from, to := p, table.numbers[q.Next]
		if through != nil {
			from = through
		}
		reason, ok = carries(r.relaying.Load(), from, to, hopTo(to))
	case q.Src.IsValid():
		reason, ok = table.admits(p, q.Src, q.Dst)
	}
	if ok {
		return ""
	}
	return reason.String()
}
