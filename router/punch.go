package router

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/punch"
)

// A peer that is reached through relays alone exchanges candidates with this node, and both call each other there (package punch). A
// call is a probe under the session's keys; an answer to one raises the direct link, as to any other.

// ownEndpoints are those at which this node might be reached, as it knows without its peers.
type ownEndpoints struct{ private, advertised []netip.AddrPort }

// ownCandidates are what peers are told. The control goroutine owns them.
type ownCandidates struct {
	list []encap.Candidate
	made time.Time // list was
}

// observedFor is how long what peers see of this node is not looked at again.
const observedFor = time.Second

// SetCandidates says at which endpoints this node might be reached: those of its interfaces' addresses, and those that it claims. Peers
// that are reached through relays alone are told, and where peers see this node. The slices must not be changed any more.
func (r *Router) SetCandidates(private, advertised []netip.AddrPort) {
	r.endpoints.Store(&ownEndpoints{private, advertised})
}

// candidates is what this node tells peers now.
func (r *Router) candidates(now time.Time) []encap.Candidate {
	if r.own.made.IsZero() || now.Sub(r.own.made) >= observedFor {
		at := r.endpoints.Load()
		if at == nil {
			at = new(ownEndpoints)
		}
		r.own = ownCandidates{punch.Candidates(at.private, at.advertised, r.observed()), now}
	}
	return r.own.list
}

// observed are the endpoints at which peers that are reached straight see this node, those that most of them see first.
func (r *Router) observed() (list []netip.AddrPort) {
	seen := map[netip.AddrPort]int{}
	for _, p := range r.peers {
		if p.link.Up() && p.seenAs.IsValid() {
			seen[p.seenAs]++
		}
	}
	for at := range seen {
		list = append(list, at)
	}
	slices.SortFunc(list, func(a, b netip.AddrPort) int {
		if seen[a] != seen[b] {
			return seen[b] - seen[a]
		}
		return a.Compare(b)
	})
	return list
}

// stepPunch does what is due in the exchange of candidates with a peer, and returns how long nothing will be.
func (r *Router) stepPunch(p *peer, now time.Time) time.Duration {
	f := r.punchFacts(p)
	if p.punch == nil && (!f.Reached || f.Direct) {
		return longestSleep
	}
	e := r.puncher(p)
	if !f.Direct {
		e.SetOurs(now, r.candidates(now))
	}
	r.punch(p, e.Step(now, f), now)
	if due := e.Due(); !due.IsZero() {
		return due.Sub(now)
	}
	return longestSleep
}

// puncher is the exchange with a peer.
func (r *Router) puncher(p *peer) *punch.Engine {
	if p.punch == nil {
		p.punch = punch.NewEngine(punch.Config{
			Leads: bytes.Compare(r.self[:], p.id[:]) > 0, Round: r.drawRound, Jitter: r.jitter, Callable: r.mayPunch,
		})
	}
	return p.punch
}

// mayPunch reports whether an endpoint that a peer names may be called.
func (r *Router) mayPunch(at netip.AddrPort) bool {
	return !encap.IsRelayed(at.Addr()) && r.bars(at) == "" && (r.cfg.Callable == nil || r.cfg.Callable(at))
}

// drawRound draws the id of a round.
func (r *Router) drawRound() uint64 { return 1 + uint64(r.jitter(math.MaxInt64)) }

// punchFacts is what is known of a peer for the exchange.
func (r *Router) punchFacts(p *peer) punch.Facts {
	able := p.isUp() && p.session.Current() != nil && p.session.Agreement().Capabilities&encap.CapCandidates != 0
	return punch.Facts{Reached: able, Direct: p.link.Up(), RTT: p.roundTrip()}
}

// punch does what an exchange asks for.
func (r *Router) punch(p *peer, do punch.Do, now time.Time) {
	if path := p.path.Load(); do.Send != nil && path != nil {
		r.sendControl(p, encap.Candidates, do.Send.Append(nil), path.endpoint)
	}
	if len(do.Call) == 0 {
		return
	}
	id := p.probes.next(now)
	for _, at := range do.Call {
		r.sendProbe(p, encap.Probe, encap.Endpoint{Addr: at}, id)
	}
}

// takeOffer takes a peer's candidates.
func (r *Router) takeOffer(p *peer, body []byte) {
	offer, err := encap.ParseOffer(body)
	if err != nil {
		r.ctl.drop(BadFrame, 1)
		return
	}
	now := r.now()
	e := r.puncher(p)
	e.SetOurs(now, r.candidates(now))
	r.punch(p, e.Take(now, offer, r.punchFacts(p)), now)
}

// whyRelayed says why no direct path to a peer is found, once a round has found none; or "".
func (r *Router) whyRelayed(p *peer) string {
	if p.punch == nil || !p.isRelayed() || p.link.Up() {
		return ""
	}
	report := p.punch.Report()
	if report.Fails == 0 {
		return ""
	}
	return punch.Why(r.candidates(r.now()), report.Theirs)
}
