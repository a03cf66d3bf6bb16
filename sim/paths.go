package sim

import (
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/punch"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/trust"
)

// This file is router/paths.go and router/relayedpath.go, without what is for lanes and for people.

// stepPeer lets a peer's links and session act.
func (n *Node) stepPeer(p *peer, now time.Time) {
	n.stepPath(p, now)
	p.session.Expire(now)
	if p.up && p.session.NeedsRekey(now) && now.Sub(p.probes.rekeyed) > max(time.Second, 3*p.roundTrip()) {
		p.probes.rekeyed = now
		n.initiate(p, []encap.Endpoint{p.endpoint()})
	}
	n.stepPunch(p, now)
	n.schedule(p, n.duePeer(p, now))
}

// duePeer is when stepPeer will have something to do.
func (n *Node) duePeer(p *peer, now time.Time) time.Time {
	due := p.link.Due(now, p.heard, p.carried, p.rtt)
	note := func(at time.Time) {
		if !at.IsZero() && at.Before(due) {
			due = at
		}
	}
	if p.isMeasured() {
		note(p.meter.Due(now, p.carried))
	}
	if p.relay.watch.Up() {
		note(p.relay.watch.Due(now, p.relay.heard, p.carried, p.relay.rtt))
	}
	note(p.relay.again)
	note(p.session.Due())
	note(p.punch.Due())
	if keys := p.session.Current(); keys != nil && p.up {
		rekey := keys.Born.Add(n.w.cfg.Rekey)
		if !rekey.After(now) {
			rekey = now.Add(n.w.cfg.Rekey / 8)
		}
		note(rekey)
	}
	return due
}

// isMeasured reports whether link state wants to know how good the direct link is.
func (p *peer) isMeasured() bool { return p.link.Up() && p.knowsRelays() }

// stepPath lets the watches of a peer act, and then its choice.
func (n *Node) stepPath(p *peer, now time.Time) {
	switch p.link.Step(now, p.heard, p.carried, p.rtt) {
	case alive.Probe:
		n.probeDirect(p)
	case alive.Call:
		n.callPeer(p)
	case alive.Declare:
		n.dropDirect(p, 0)
		n.stepLinkState(now)
		n.choose(p, now)
	}
	if p.isMeasured() {
		p.meter.Expire(now, p.rtt)
		if !now.Before(p.meter.Due(now, p.carried)) {
			n.probeDirect(p)
		}
	}
	if p.relay.watch.Up() {
		n.stepRelayed(p, now)
	}
	if n.mustChoose(p, now) {
		n.choose(p, now)
	}
}

// stepRelayed lets the watch of a relayed path act.
func (n *Node) stepRelayed(p *peer, now time.Time) {
	w := &p.relay
	switch w.watch.Step(now, w.heard, p.carried, w.rtt) {
	case alive.Probe:
		n.sendProbe(p, encap.Probe, p.relayedAt, p.probes.next(now))
	case alive.Declare:
		n.failRoute(p, now)
	}
	if w.watch.Spare && w.watch.Ailing(now, w.rtt) {
		n.failRoute(p, now)
	}
}

func (n *Node) failRoute(p *peer, now time.Time) {
	if w := &p.relay; !w.failed.Has(w.names) {
		w.failed.Add(w.names, now)
		w.stale = true
	}
}

// chooseEvery is how often a peer that is reached straight chooses anew, at most.
const chooseEvery = time.Second

func (n *Node) mustChoose(p *peer, now time.Time) bool {
	w := &p.relay
	switch {
	case w.stale || w.told != p.fitness(now) || !w.again.IsZero() && !now.Before(w.again):
		return true
	case w.seen == n.links.engine.Generation():
		return false
	}
	return !p.isDirect() || now.Sub(w.asked) >= chooseEvery
}

// fitness is how it goes with a direct link.
type fitness struct{ up, missed bool }

func (p *peer) fitness(now time.Time) fitness {
	return fitness{up: p.link.Up() && (!p.link.Spare || !p.link.Ailing(now, p.rtt)), missed: p.link.Missing()}
}

// choose asks the choice of p, and makes what it says p's path.
func (n *Node) choose(p *peer, now time.Time) {
	w, e := &p.relay, n.links.engine
	w.failed.Expire(now)
	w.seen, w.asked, w.stale, w.told = e.Generation(), now, false, p.fitness(now)
	best, second, _ := e.Routes(p.id)
	cost, _ := e.Direct(p.id)
	switch {
	case p.meter.RoundTrip() == 0:
		cost = 0
	case !p.relayed && p.meter.Sound():
		cost = min(cost, p.meter.RoundTrip()/2)
	}
	d := w.choice.Decide(now, linkstate.Options{
		DirectUp: w.told.up, DirectMissed: w.told.missed, DirectCost: cost, Best: best, Second: second,
		Cost:  func(relays []trust.Fingerprint) (time.Duration, bool) { return e.Cost(p.id, relays) },
		Alive: w.failed.Spare,
	})
	w.again = w.failed.Next(d.Next)
	switch {
	case d.Relayed && p.up && p.session.Current() != nil && w.failed.Spare(d.Route.Relays) && n.goThrough(p, d.Route, now):
	case p.link.Up():
		n.goStraight(p)
	case p.up:
		n.takeDown(p)
		p.link.CallSoon(now)
	}
	n.makeReady(p, best, second, now)
}

// makeReady notes which routes stand ready beside the path in use.
func (n *Node) makeReady(p *peer, best, second linkstate.Route, now time.Time) {
	w := &p.relay
	had := p.route != nil
	var ready *route
	for _, x := range []linkstate.Route{best, second} {
		if len(x.Relays) == 0 || !w.failed.Spare(x.Relays) || slices.Equal(x.Relays, w.names) {
			continue
		}
		if ready = n.routeOf(p, x); ready != nil {
			break
		}
	}
	spare := ready != nil
	if ready == nil && len(best.Relays) > 0 {
		ready = n.routeOf(p, best)
	}
	if !p.relayed {
		p.route = ready
	}
	p.link.Spare, w.watch.Spare = spare || p.relayed, spare || w.told.up
	if !had && ready != nil && !p.up && !p.away {
		p.link.CallSoon(now)
	}
}

// routeOf is a route as frames to p take it; nil: there is no such way here.
func (n *Node) routeOf(p *peer, x linkstate.Route) *route {
	further := make([]trust.Number, 0, len(x.Relays))
	for _, id := range x.Relays[1:] {
		further = append(further, id.Number())
	}
	first := n.peers[x.Relays[0]]
	list, ok := encap.RelaysOf(further...)
	if first == nil || !ok || p == first || list.Has(p.number) || list.Has(first.number) || list.Has(n.number) || list.Repeats() {
		return nil
	}
	return &route{first: first, head: encap.RelayHead{
		HopLimit: uint8(1 + list.Len()), Source: n.number, Destination: p.number, Further: list,
	}}
}

// goThrough makes a route the path of p; false: it cannot be gone.
func (n *Node) goThrough(p *peer, x linkstate.Route, now time.Time) bool {
	w := &p.relay
	if p.relayed && slices.Equal(w.names, x.Relays) {
		return true
	}
	next := n.routeOf(p, x)
	if next == nil {
		return false
	}
	if !p.relayed {
		p.meter.Renew()
	}
	w.names, w.heard, w.first, w.rtt = slices.Clone(x.Relays), time.Time{}, p.probes.last+1, x.Cost
	w.watch.Rise()
	if !p.relayed {
		p.meter.Renew()
	}
	p.route = next
	n.movePath(p, true)
	if w.watch.Doubt(now) == alive.Probe {
		n.sendProbe(p, encap.Probe, p.relayedAt, p.probes.next(now))
	}
	return true
}

// goStraight makes the direct link, which is up, the path of p.
func (n *Node) goStraight(p *peer) {
	if p.isDirect() {
		return
	}
	p.relay.stop()
	n.movePath(p, false)
}

// movePath notes that packets go another way from now on.
func (n *Node) movePath(p *peer, relayed bool) {
	was := p.up
	p.up, p.relayed, p.away = true, relayed, false
	if was {
		p.switches++
		return
	}
	n.pathUp(p)
}

func (w *relayPath) stop() {
	w.names, w.rtt = nil, 0
	w.watch.Fall(time.Time{}, 0)
}

// takeDown ends the path of a peer.
func (n *Node) takeDown(p *peer) {
	was := p.up
	p.up, p.relayed = false, false
	p.relay.stop()
	if was {
		p.deaths++
		p.downSince = n.w.now
		n.replan()
	}
}

// stepPunch lets the exchange of candidates with a peer act.
func (n *Node) stepPunch(p *peer, now time.Time) {
	if !p.link.Up() {
		p.punch.SetOurs(now, n.ownCandidates())
	}
	n.doPunch(p, p.punch.Step(now, p.punchFacts()))
}

func (p *peer) punchFacts() punch.Facts {
	return punch.Facts{Reached: p.up && p.session.Current() != nil, Direct: p.link.Up(), RTT: p.roundTrip()}
}

// ownCandidates are where this node may be reached.
func (n *Node) ownCandidates() []encap.Candidate {
	return punch.Candidates(n.privateAddresses(), nil, n.gossip.seenAs)
}

// doPunch does what the exchange of candidates asks for.
func (n *Node) doPunch(p *peer, do punch.Do) {
	if do.Send != nil {
		n.sendControl(p, encap.Candidates, do.Send.Append(nil), p.endpoint())
	}
	if len(do.Call) == 0 {
		return
	}
	id := p.probes.next(n.w.now)
	for _, at := range do.Call {
		n.sendProbe(p, encap.Probe, encap.Endpoint{Addr: at}, id)
	}
}
