package router

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/punch"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/trust"
)

// peer is one peer. The first group is read by the lanes; the rest belongs to the control goroutine.
type peer struct {
	session *encap.Session
	path    atomic.Pointer[path]           // nil: down
	route   atomic.Pointer[route]          // to it through relays, whether path is that or not; nil: there is none
	direct  atomic.Pointer[direct]         // the direct link; nil: there never was one
	stray   atomic.Pointer[encap.Endpoint] // where the peer was heard too, which the path does not follow; or nil
	heard   atomic.Int64                   // when the last authenticated frame came from where the direct link leads, in nanoseconds of Router.clock
	relayed atomic.Int64                   // when the last one came through relays, likewise
	fit     atomic.Pointer[fit]            // nil: not known yet
	long    atomic.Int64                   // when the last long frame went, likewise
	carried atomic.Int64                   // when the last data frame went or came, likewise
	tx, rx  struct{ packets, bytes atomic.Uint64 }
	backlog backlog
	carry   carriage

	id        trust.Fingerprint
	number    trust.Number
	relayedAt encap.Endpoint // the peer, through relays

	slot    slot // when it is stepped next
	config  PeerConfig
	link    alive.Link       // the watch of the direct link
	rtt     time.Duration    // of the direct link, smoothed; 0: none yet
	meter   alive.Meter      // of its losses
	relay   relayPath        // the path through relays
	sizing  sizing           // what its paths carry
	punch   *punch.Engine    // its exchange of candidates; nil: none yet
	traces  pace             // of its questions that are answered
	probes  probeLog         // probes sent and not yet answered
	skew    time.Duration    // how far its clock is ahead of ours, by its latest probe
	seenAs  netip.AddrPort   // where the peer says that it sees us
	lanes   uint8            // that frames to it may travel in
	tried   []Attempt        // endpoints called without success since the direct link was lost
	caller  Attempt          // the calls of the peer that came since, from the latest endpoint
	told    bool             // that they come and our answers are lost
	silent  bool             // told of: that it has answered no call since it is known
	reason  string           // why the peer is down
	since   time.Time        // of the present state
	fault   string           // why the direct link is down; empty while it is up
	why     string           // why the path is the present one
	pathed  time.Time        // since when it is
	called  time.Time        // when it was called last
	asking  time.Time        // when an endpoint that the peer was heard from was asked last, whether it is reached there
	last    netip.AddrPort   // where it was reached last
	rivals  alive.Selector   // compares its endpoints
	unheard alive.Insistence // whether it hears us, by its probes of the direct link
	leads   string           // why the direct link leads where it does
	left    leaving          // where it led before it was moved to a better way
	away    bool             // it said goodbye, and has not been heard since

	suspended bool                 // packets to it wait until it has new keys
	pausing   bool                 // it said that it pauses, and has not been heard since
	initiated time.Time            // last initiation to it
	preparing int                  // initiations to it that are being made
	series    int                  // handshakes that it was called by since the direct link was lost
	answered  time.Time            // last answer to an initiation of it
	asked     map[uint32]time.Time // when those began that wait for an answer, by their indexes
	resumed   time.Time            // last one because of a frame of an unknown index

	questioned time.Time // last probe because of such a frame, which is not answered; zero: there is none
	fresh      uint64    // the first probe since the direct link came up, or was moved
	anew       bool      // it was moved, and rtt is of before
	followed   time.Time // when the direct link was moved last to where the peer was heard

	skewKnown bool // skew is: the peer's build says what its clock is

	hearsay  encap.HearsayWindow // of its gossip without a session, as far as nothing proves that it is the peer's
	proven   encap.HearsayWindow // of that which is proven
	pair     *encap.GossipPair   // the keys of such proofs; nil: not made, or there are none
	paired   bool                // they were made, or tried to
	misdated time.Time           // when gossip of it from another day was last told of
	renew    *encap.Keypair      // to be replaced, since it was made under a secret that is not the first any more; or nil
}

// path is how packets reach a peer now. A path is never changed, only replaced.
type path struct {
	endpoint encap.Endpoint // where frames go: the peer's relayed one where they go through relays
	lanes    uint8          // that frames may travel in: 1 where each source port of ours would be translated on its own

	suspended bool // packets wait

	route *route // through relays; nil: straight
}

// direct is the direct link to a peer, for the lanes. It is never changed, only replaced.
type direct struct {
	endpoint encap.Endpoint // where it leads, or led last
	lanes    uint8          // that frames may travel in
	up       bool
	also     encap.Endpoint // data in clear may come from there too: one of the two ends has moved, and the other one is about to
}

// leadsTo reports whether a frame of that lane came from where the link leads. Only lane 0 sends from the peer's port.
func (d *direct) leadsTo(from encap.Endpoint, lane uint8) bool {
	switch {
	case d == nil:
		return false
	case lane == 0:
		return d.endpoint.Addr == from.Addr
	}
	return d.endpoint.Addr.Addr() == from.Addr.Addr()
}

// alsoAt is leadsTo for the way that is about to be left, or taken.
func (d *direct) alsoAt(from encap.Endpoint, lane uint8) bool {
	return d != nil && d.also.Addr.IsValid() && (&direct{endpoint: d.also}).leadsTo(from, lane)
}

// isAt reports whether frames in clear may come from there: the peer is up, and its direct link leads there or led there last, for the two
// ends of a path do not change to another one at the same moment; or a relay has shown that the peer is the source.
func (p *peer) isAt(from encap.Endpoint, lane uint8) bool {
	if from == p.relayedAt {
		return true
	}
	d := p.direct.Load()
	return p.path.Load() != nil && (d.leadsTo(from, lane) || d.alsoAt(from, lane))
}

// isUp reports whether there is a path to the peer. It is for the control goroutine.
func (p *peer) isUp() bool { return p.path.Load() != nil }

// isRelayed reports whether the peer's path leads through relays. It is for the control goroutine.
func (p *peer) isRelayed() bool {
	path := p.path.Load()
	return path != nil && path.route != nil
}

// lastHeard is when the peer was heard last, in whatever way.
func (p *peer) lastHeard(r *Router) time.Time { return r.at(max(p.heard.Load(), p.relayed.Load())) }

// at is where the direct link leads, or led last; zero: there never was one.
func (p *peer) at() (e encap.Endpoint) {
	if d := p.direct.Load(); d != nil {
		e = d.endpoint
	}
	return e
}

// roundTrip is that of the path, smoothed; 0: not known.
func (p *peer) roundTrip() time.Duration {
	if p.isRelayed() {
		return p.relay.rtt
	}
	return p.rtt
}

// moved reports whether control has to hear of a frame of lane 0 from there: it may change how the peer is reached.
func (p *peer) moved(direct *direct, from encap.Endpoint) bool {
	switch {
	case p.path.Load() == nil:
		return true
	case encap.IsRelayed(from.Addr.Addr()), direct != nil && direct.up && direct.endpoint == from:
		return false
	}
	return !p.strays(from)
}

// strays reports whether control has heard the peer from there, and decided that the path stays.
func (p *peer) strays(from encap.Endpoint) bool {
	known := p.stray.Load()
	return known != nil && *known == from
}

// Attempt tells of the calls to one endpoint that were not answered.
type Attempt struct {
	Endpoint netip.AddrPort
	Calls    int
	First    time.Time
}

// peer returns the peer of that name, made if it is new, with cfg applied.
func (r *Router) peer(id trust.Fingerprint, cfg PeerConfig) *peer {
	p := r.peers[id]
	if p == nil {
		p = &peer{id: id, number: id.Number(), since: r.now(), reason: notCalled, lanes: uint8(len(r.lanes))}
		p.relayedAt = encap.RelayedEndpoint(p.number)
		p.link, p.relay.watch = alive.NewLink(r.timing.Timing, r.jitter), alive.NewLink(r.timing.Timing, r.jitter)
		p.session = r.newSession(p, cfg.Keys)
		p.rivals = alive.NewSelector(r.decides(p), r.jitter)
		p.traces.set(traceRate, traceBurst)
		r.peers[id] = p
		r.schedule.add(p)
	}
	r.touch(p)
	if anyNew(p.config.Endpoints, cfg.Endpoints) {
		p.link.CallSoon(r.now())
		p.tried = nil
	}
	p.config = cfg
	p.stray.Store(nil)
	r.leave(p)
	return p
}

// anyNew reports whether there is an endpoint that was not known. Another order is no news: it changes with every stream of a peer that
// has two addresses, and a call for each would supersede the one that is being answered.
func anyNew(known, endpoints []netip.AddrPort) bool {
	return slices.ContainsFunc(endpoints, func(e netip.AddrPort) bool { return !slices.Contains(known, e) })
}

func (r *Router) newSession(p *peer, keys trust.PublicKeys) *encap.Session {
	return encap.NewSession(encap.SessionConfig{
		Local: r.cfg.Local, Peer: keys, Indexes: &binder{r: r, p: p}, Stamp: r.cfg.Stamp,
		RekeyAfter: r.timing.Rekey, RekeyCount: r.timing.RekeyCount,
	})
}

func (r *Router) forget(id trust.Fingerprint, p *peer) {
	delete(r.peers, id)
	r.down(p, "no longer a member")
	p.session.Close()
	r.abandonBacklog(p)
	r.asked.change(p.asked, nil, p)
	r.callQueue.remove(p)
	r.schedule.remove(p)
}

// candidates lists where to call the peer straight: where it was reached last, then what its claim and others say.
func (p *peer) candidates() []encap.Endpoint {
	var list []encap.Endpoint
	if p.link.Up() {
		list = append(list, p.at())
	} else if p.last.IsValid() {
		list = append(list, encap.Endpoint{Addr: p.last})
	}
	for _, addr := range p.config.Endpoints {
		if !slices.ContainsFunc(list, func(e encap.Endpoint) bool { return e.Addr == addr }) {
			list = append(list, encap.Endpoint{Addr: addr})
		}
	}
	return list[:min(len(list), maxCandidates)]
}

// maxCandidates bounds how many endpoints of a peer are called at once.
const maxCandidates = 6

func (p *peer) noteCall(at netip.AddrPort, now time.Time) {
	for i := range p.tried {
		if p.tried[i].Endpoint == at {
			p.tried[i].Calls++
			return
		}
	}
	p.tried = append(p.tried, Attempt{Endpoint: at, Calls: 1, First: now})
}
