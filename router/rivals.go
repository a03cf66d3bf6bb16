package router

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router/alive"
)

// While the direct link of a peer works, alive.Selector compares its endpoints, and the link is moved to one that is better. To lose
// nothing, the end that decides asks the other one to move first, and each takes data from both ways meanwhile.

// leavingFor is how long after a move frames may come by the way that was left.
const leavingFor = 10 * time.Second

// leaving is a way that a direct link was moved away from. The zero value is none.
type leaving struct {
	from  encap.Endpoint
	until time.Time
	lead  uint64 // the latest probe that said which way to take
}

// decides reports whether this node decides which way the direct link to a peer takes.
func (r *Router) decides(p *peer) bool { return bytes.Compare(r.self[:], p.id[:]) > 0 }

// compares reports whether the peer's build knows what probes are for, and ours.
func (p *peer) compares() bool {
	return p.session.Current() != nil && p.session.Agreement().Capabilities&encap.CapCompare != 0
}

// hasLeft reports whether the direct link was moved away from there lately: what still comes from there was on its way, and is not
// followed.
func (p *peer) hasLeft(from encap.Endpoint, now time.Time) bool {
	return from == p.left.from && now.Before(p.left.until)
}

// latestLead reports whether no later probe of those that lead has come than this one, and notes it. A peer that was started anew counts
// from the beginning, so only what is a little late is.
func (p *peer) latestLead(id uint64) bool {
	const late = 64
	if id < p.left.lead && p.left.lead-id < late {
		return false
	}
	p.left.lead = id
	return true
}

// stepRivals lets the comparison of a peer's endpoints go on, and returns how long nothing will be due.
func (r *Router) stepRivals(p *peer, now time.Time) time.Duration {
	if !p.link.Up() || !p.compares() {
		return longestSleep
	}
	p.rivals.Set(now, p.at(), r.endpointsOf(p))
	p.rivals.Idle = now.Sub(r.at(p.carried.Load())) >= alive.CarriedLately
	r.stopTaking(p, now)
	do := p.rivals.Step(now)
	if len(do.Probe) > 0 {
		p.rivals.Sent(now, r.sendComparing(p, do.Probe, now))
	}
	if do.Ask.Addr.IsValid() {
		r.askToMove(p, do.Ask, now)
	}
	if due := p.rivals.Due(); !due.IsZero() {
		return due.Sub(now)
	}
	return longestSleep
}

// endpointsOf are those where the peer might be reached straight: what it claims, and what it offered. They come in one order, whatever
// that of the claim is, which changes with every stream.
func (r *Router) endpointsOf(p *peer) (list []netip.AddrPort) {
	for _, at := range p.config.Endpoints {
		if r.bars(at) == "" {
			list = append(list, at)
		}
	}
	slices.SortFunc(list, netip.AddrPort.Compare)
	if p.punch != nil {
		for _, c := range p.punch.Report().Theirs {
			if r.mayPunch(c.At) && !slices.Contains(list, c.At) {
				list = append(list, c.At)
			}
		}
	}
	return list[:min(len(list), maxCandidates)]
}

// sendComparing sends a probe to each of several endpoints, and returns its id. One that cannot be sent is no drop: it shows that there is
// no way.
func (r *Router) sendComparing(p *peer, to []encap.Endpoint, now time.Time) uint64 {
	id := p.probes.next(now)
	for _, e := range to {
		body := r.probeBody(e, id, encap.ProbeCompares)
		if frame, err := p.session.Current().SealControl(r.frame[:0], encap.Probe, body); err == nil {
			r.controlConn().Send([]encap.Train{controlTrain(frame, e)})
		}
	}
	return id
}

// sendPurpose sends a probe that says what it is for.
func (r *Router) sendPurpose(p *peer, purpose encap.ProbePurpose, to encap.Endpoint, id uint64) {
	r.sendControl(p, encap.Probe, r.probeBody(to, id, purpose), to)
}

// askToMove asks a peer to take another way, from which data is taken from now on.
func (r *Router) askToMove(p *peer, to encap.Endpoint, now time.Time) {
	next := *p.direct.Load()
	next.also = to
	p.direct.Store(&next)
	p.left.until = now.Add(leavingFor)
	id := p.probes.next(now)
	p.rivals.Asked(id)
	r.sendPurpose(p, encap.ProbeLeads, to, id)
}

// agreed moves the direct link if a frame shows that the peer has moved as it was asked to.
func (r *Router) agreed(p *peer, from encap.Endpoint) bool {
	now := r.now()
	m, ok := p.rivals.Followed(now, from)
	if ok {
		r.move(p, m, now)
	}
	return ok
}

// move moves the direct link to a better way, which the peer has taken.
func (r *Router) move(p *peer, m alive.Move, now time.Time) {
	if m.Translated {
		p.lanes = 1
	}
	r.moveTo(p, m.To, m.Why, now)
}

// obey moves the direct link where the peer says, which decides.
func (r *Router) obey(p *peer, to encap.Endpoint) { r.moveTo(p, to, "the peer chose it", r.now()) }

func (r *Router) moveTo(p *peer, to encap.Endpoint, why string, now time.Time) {
	old := p.at()
	p.left.from, p.left.until = old, now.Add(leavingFor)
	r.lead(p, to)
	next := *p.direct.Load()
	next.also = old
	p.direct.Store(&next)
	p.measureAnew()
	r.noteMoved(p, old, why)
	if p.link.Doubt(now) == alive.Probe { // until an answer comes; and for the round trip
		r.probeDirect(p, now)
	}
}

// stopTaking ends that data is taken from the way that was left.
func (r *Router) stopTaking(p *peer, now time.Time) {
	if d := p.direct.Load(); d != nil && d.also.Addr.IsValid() && !now.Before(p.left.until) {
		next := *d
		next.also = encap.Endpoint{}
		p.direct.Store(&next)
	}
}

// noteMoved tells that the direct link of a peer leads elsewhere.
func (r *Router) noteMoved(p *peer, from encap.Endpoint, why string) {
	p.leads = why
	to := p.at().Addr
	r.log.Info("router.path.moved", "peer", p.config.Name, "from", from.Addr, "to", to, "reason", why)
	r.emit(Event{Kind: PathMoved, Peer: p.id, Name: p.config.Name, Endpoint: to, Reason: why})
}
