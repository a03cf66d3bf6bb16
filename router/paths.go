package router

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/trust"
)

// A peer is reached in two ways: by its direct link, which leads to an endpoint of the underlay, and through relays along a route that
// link state knows. Each has a watch of its own. Which of them is the peer's path is decided by linkstate.Choice, whenever a watch finds
// something out, link state has news, or the choice itself wants to be asked again. To move from one to the other replaces the path and
// nothing else: the session is the same, and the peer is up all the while.
//
// While the path is relayed the direct link is tried on, by probes to all candidates; an answer from there raises it.

// relayPath is a peer's path through relays: what is in use, and what stands ready.
type relayPath struct {
	watch  alive.Link          // of the path while it is relayed, from end to end
	rtt    time.Duration       // of it, smoothed; before the first answer what link state makes of it
	meter  alive.Meter         // of the losses of the route in use
	heard  time.Time           // when a probe was answered that went along the route in use
	first  uint64              // the first probe that did
	names  []trust.Fingerprint // of the relays in use; nil: the path is not relayed
	spare  []trust.Fingerprint // relays of the route that stands ready beside the path; nil: none does
	failed alive.Failures
	vain   [][]trust.Fingerprint // routes that failed since the peer was last heard by the path in use, each once
	proven bool                  // a probe was answered along the route in use, and the log says that packets go there
	logged bool                  // the log says that the path is relayed

	choice linkstate.Choice
	seen   uint64    // the generation of link state that the choice knows
	asked  time.Time // when it was asked last
	again  time.Time // when it wants to be asked again; zero: when something changes
	told   fitness   // of the direct link
	stale  bool      // something else has changed that it does not know
}

// stepPath lets the watches of a peer act, and then its choice, which goes by what they found.
func (r *Router) stepPath(p *peer, now time.Time) {
	carried := r.at(p.carried.Load())
	switch p.link.Step(now, r.at(p.heard.Load()), carried, r.lag.patience(p.rtt)) {
	case alive.Probe:
		r.probeDirect(p, now)
	case alive.Call:
		r.callPeer(p, now)
	case alive.Declare:
		r.declare(p, now)
	}
	r.measure(p, now, carried)
	if p.relay.watch.Up() {
		r.stepRelayed(p, now, carried)
	}
	if r.mustChoose(p, now) {
		r.choose(p, now)
	}
}

// duePath is how long after now stepPath will have nothing to do.
func (r *Router) duePath(p *peer, now time.Time) time.Duration {
	carried := r.at(p.carried.Load())
	due := p.link.Due(now, r.at(p.heard.Load()), carried, r.lag.patience(p.rtt))
	if p.isMeasured() && !r.lag.isBehind() {
		due = sooner(due, p.meter.Due(now, carried))
	}
	if p.relay.watch.Up() {
		due = sooner(due, p.relay.watch.Due(now, p.relay.heard, carried, r.lag.patience(p.relay.rtt)))
	}
	if !p.relay.again.IsZero() {
		due = sooner(due, p.relay.again)
	}
	return due.Sub(now)
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// watch is what watches the present path.
func (p *peer) watch() *alive.Link {
	if p.isRelayed() {
		return &p.relay.watch
	}
	return &p.link
}

// chooseEvery is how often the choice of a peer that is reached straight hears of news in link state, at most: news are news for all
// peers at once.
const chooseEvery = time.Second

// mustChoose reports whether the choice of p has to be asked.
func (r *Router) mustChoose(p *peer, now time.Time) bool {
	w := &p.relay
	switch {
	case w.stale || w.told != r.fitness(p, now) || !w.again.IsZero() && !now.Before(w.again):
		return true
	case w.seen >= r.schedule.generation:
		return false
	}
	return !p.isUp() || p.isRelayed() || now.Sub(w.asked) >= chooseEvery
}

// fitness is how it goes with a direct link.
type fitness struct {
	up     bool // packets may go straight: it is up and, where a route stands ready, not ailing
	missed bool // an answer is overdue
}

// fitness is that of the direct link. A peer that pauses does so on every way.
func (r *Router) fitness(p *peer, now time.Time) fitness {
	return fitness{
		up:     p.link.Up() && (p.pausing || !p.link.Spare || !p.link.Ailing(now, r.lag.patience(p.rtt))),
		missed: p.link.Missing(),
	}
}

// choose asks the choice of p, and makes what it says p's path.
func (r *Router) choose(p *peer, now time.Time) {
	w, e := &p.relay, r.links.engine
	w.failed.Expire(now)
	w.seen, w.asked, w.stale, w.told = e.Generation(), now, false, r.fitness(p, now)
	best, second, _ := e.Routes(p.id)
	cost, _ := e.Direct(p.id)
	switch {
	case r.lag.isBehind() || p.meter.RoundTrip() == 0:
		cost = 0 // nothing is known that speaks for another way, as long as this one is up
	case !p.isRelayed() && p.meter.Sound():
		cost = min(cost, p.meter.RoundTrip()/2)
	}
	d := w.choice.Decide(now, linkstate.Options{
		DirectUp: w.told.up, DirectMissed: w.told.missed, DirectCost: cost, Best: best, Second: second,
		Cost:  func(relays []trust.Fingerprint) (time.Duration, bool) { return e.Cost(p.id, relays) },
		Alive: w.failed.Spare, Prefer: r.relaying.Load().Prefer,
	})
	w.again = w.failed.Next(d.Next)
	why := d.Why
	if !p.link.Up() && p.fault != "" {
		why = "the direct path is down: " + p.fault
	}
	switch {
	case d.Relayed && p.isUp() && p.session.Current() != nil && w.failed.Spare(d.Route.Relays) && r.goThrough(p, d.Route, why, now):
	case p.link.Up():
		r.goStraight(p, d.Why, now)
	case p.isUp():
		r.takeDown(p, r.whyDown(p), now)
		p.link.CallSoon(now)
	}
	if p.isUp() {
		p.why = why
	}
	r.makeReady(p, best, second, now)
}

// makeReady notes which routes stand ready beside the path in use.
func (r *Router) makeReady(p *peer, best, second linkstate.Route, now time.Time) {
	w := &p.relay
	had := p.route.Load() != nil
	var ready *route
	w.spare = nil
	for _, x := range []linkstate.Route{best, second} {
		if len(x.Relays) == 0 || !w.failed.Spare(x.Relays) || slices.Equal(x.Relays, w.names) {
			continue
		}
		if ready = r.routeOf(p, x); ready != nil {
			w.spare = slices.Clone(x.Relays)
			break
		}
	}
	if ready == nil && len(best.Relays) > 0 { // it failed; but there is no other way to ask
		ready = r.routeOf(p, best)
	}
	if !p.isRelayed() {
		r.reroute(p, ready)
	}
	p.link.Spare, w.watch.Spare = w.spare != nil || p.isRelayed(), w.spare != nil || w.told.up
	if !had && ready != nil && !p.isUp() && !p.away {
		p.link.CallSoon(now)
	}
}

// routeOf is a route as frames to p take it; nil: there is no such way here.
func (r *Router) routeOf(p *peer, x linkstate.Route) *route {
	further := make([]trust.Number, 0, len(x.Relays))
	for _, id := range x.Relays[1:] {
		further = append(further, id.Number())
	}
	first := r.peers[x.Relays[0]]
	if first == nil {
		return nil
	}
	w, err := r.newRoute(p, first, further...)
	if err != nil {
		return nil
	}
	return w
}

// goThrough makes a route the path of p; false: it cannot be gone.
func (r *Router) goThrough(p *peer, x linkstate.Route, why string, now time.Time) bool {
	w := &p.relay
	if p.isRelayed() && slices.Equal(w.names, x.Relays) {
		return true
	}
	next := r.routeOf(p, x)
	if next == nil {
		return false
	}
	if !p.isRelayed() {
		p.meter.Renew()
	}
	w.names, w.heard, w.first, w.rtt, w.proven = slices.Clone(x.Relays), time.Time{}, p.probes.last+1, x.Cost, false
	w.meter.Began(now)
	w.watch.Rise()
	wasUp := p.isUp()
	r.reroute(p, next)
	r.follow(p, p.relayedAt)
	if !wasUp {
		r.raised(p, p.relayedAt, now)
	}
	p.why, p.pathed = why, now
	r.moves.relayed.Add(1)
	r.emit(Event{Kind: PathRelayed, Peer: p.id, Name: p.config.Name, Reason: why})
	if w.watch.Doubt(now) == alive.Probe {
		r.probeRelayed(p, now)
	}
	return true
}

// goStraight makes the direct link, which is up, the path of p.
func (r *Router) goStraight(p *peer, why string, now time.Time) {
	if p.isUp() && !p.isRelayed() {
		return
	}
	wasUp, logged := p.isUp(), p.relay.logged
	p.relay.stop()
	r.follow(p, p.at())
	p.why, p.pathed = why, now
	if !wasUp {
		r.raised(p, p.at(), now)
		return
	}
	r.moves.direct.Add(1)
	if logged {
		r.log.Info("router.path.direct", "peer", p.config.Name, "id", p.id.Short(), "endpoint", p.at().Addr, "reason", why)
	}
	r.emit(Event{Kind: PathDirect, Peer: p.id, Name: p.config.Name, Endpoint: p.at().Addr, Reason: why})
}

// stop ends the use of a route.
func (w *relayPath) stop() {
	w.names, w.rtt, w.vain, w.proven, w.logged = nil, 0, nil, false, false
	w.watch.Fall(time.Time{}, 0)
}

// raised tells that a peer which was down is up.
func (r *Router) raised(p *peer, by encap.Endpoint, now time.Time) {
	p.reason, p.since, p.away = "", now, false
	r.log.Info("router.path.up", "peer", p.config.Name, "id", p.id.Short(), "endpoint", endpointText(by))
	r.emit(Event{Kind: PathUp, Peer: p.id, Name: p.config.Name, Endpoint: underlay(by)})
}

// down takes all that leads to a peer down. It is called again at once.
func (r *Router) down(p *peer, reason string) { r.fall(p, reason, 0) }

// fall takes all that leads to a peer down, which is called again after delay.
func (r *Router) fall(p *peer, reason string, delay time.Duration) {
	now := r.now()
	r.dropDirect(p, reason, delay, now)
	r.takeDown(p, reason, now)
}

// takeDown ends the path of a peer.
func (r *Router) takeDown(p *peer, reason string, now time.Time) {
	p.reason, p.since, p.why, p.pathed = reason, now, "", time.Time{}
	old, logged := p.path.Swap(nil), p.relay.logged
	p.relay.stop()
	if old == nil {
		return
	}
	r.tellDown(p, logged)
	r.emit(Event{Kind: PathDown, Peer: p.id, Name: p.config.Name, Endpoint: underlay(old.endpoint), Reason: reason})
}

// away notes that the peer stopped in order. Its keys end with it, so that frames which arrive late do not raise
// the path. It calls us when it returns; we call it, too, for it may have been a clone that stopped.
func (r *Router) away(p *peer, reason string) {
	p.away = true
	r.fall(p, reason, 4*r.timing.CallMin)
	p.session.Close()
}

// endpointText is an endpoint as events name it: the word relay for the way through relays.
func endpointText(e encap.Endpoint) string {
	if _, relayed := e.Relayed(); relayed {
		return "relay"
	}
	return e.Addr.String()
}

// underlay is the address of an endpoint; invalid: it is a way through relays.
func underlay(e encap.Endpoint) netip.AddrPort {
	if _, relayed := e.Relayed(); relayed {
		return netip.AddrPort{}
	}
	return e.Addr
}

// viaText names relays, in the order in which packets pass them.
func (r *Router) viaText(relays []trust.Fingerprint) string {
	return strings.Join(r.namesOf(relays), ", ")
}

// namesOf are the names of relays; nil: there are none.
func (r *Router) namesOf(relays []trust.Fingerprint) []string {
	if len(relays) == 0 {
		return nil
	}
	names := make([]string, 0, len(relays))
	for _, id := range relays {
		if p := r.peers[id]; p != nil {
			names = append(names, p.config.Name)
		} else {
			names = append(names, id.Short())
		}
	}
	return names
}

// Moves counts how often paths of peers that were up moved.
type Moves struct {
	ToRelay  uint64 // to a route through relays, or to another one
	ToDirect uint64 // back to the direct link
}

type moves struct{ relayed, direct atomic.Uint64 }

func (m *moves) counts() Moves { return Moves{ToRelay: m.relayed.Load(), ToDirect: m.direct.Load()} }
