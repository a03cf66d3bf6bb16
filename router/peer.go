package router

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// peer is one peer. The first group is read by the lanes; the rest belongs to the control goroutine.
type peer struct {
	session *encap.Session
	path    atomic.Pointer[path]           // nil: down
	route   atomic.Pointer[route]          // to it through relays, whether path is that or not; nil: there is none
	stray   atomic.Pointer[encap.Endpoint] // where the peer was heard too, which the path does not follow; or nil
	heard   atomic.Int64                   // when the last authenticated frame came by the path, in nanoseconds of Router.clock
	carried atomic.Int64                   // when the last data frame went or came, likewise
	tx, rx  struct{ packets, bytes atomic.Uint64 }
	backlog backlog
	carry   carriage

	id        trust.Fingerprint
	number    trust.Number
	relayedAt encap.Endpoint // the peer, through relays

	slot   slot // when it is stepped next
	config PeerConfig
	link   link           // is it alive, and what to do next
	probes probeLog       // probes sent and not yet answered
	rtt    time.Duration  // smoothed; 0: none yet
	skew   time.Duration  // how far its clock is ahead of ours, by its latest probe
	seenAs netip.AddrPort // where the peer says that it sees us
	lanes  uint8          // that frames to it may travel in
	tried  []Attempt      // endpoints called without success since the path was lost
	reason string         // why the peer is down
	since  time.Time      // of the present state
	last   netip.AddrPort // where it was reached last
	away   bool           // it said goodbye, and has not been heard since

	suspended bool      // packets to it wait until it has new keys
	pausing   bool      // it said that it pauses, and has not been heard since
	initiated time.Time // last initiation to it
	asked     uint32    // the index of that
	resumed   time.Time // last one because of a frame of an unknown index

	questioned time.Time // last probe because of such a frame, which is not answered; zero: there is none

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

// leadsTo reports whether a frame of that lane came from where the path leads. Only lane 0 sends from the peer's port.
func (p *path) leadsTo(from encap.Endpoint, lane uint8) bool {
	if lane == 0 {
		return p.endpoint.Addr == from.Addr
	}
	return p.endpoint.Addr.Addr() == from.Addr.Addr()
}

// isAt reports whether frames in clear may come from there: the peer's path leads there, or a relay has shown that the peer is the source.
func (p *peer) isAt(from encap.Endpoint, lane uint8) bool {
	path := p.path.Load()
	return from == p.relayedAt || path != nil && path.leadsTo(from, lane)
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
		p = &peer{id: id, number: id.Number(), since: r.now(), reason: "not called yet", lanes: uint8(len(r.lanes))}
		p.relayedAt = encap.RelayedEndpoint(p.number)
		p.link = newLink(r.timing, r.jitter)
		p.session = r.newSession(p, cfg.Keys)
		r.peers[id] = p
		r.schedule.add(p)
	}
	r.touch(p)
	if !slices.Equal(p.config.Endpoints, cfg.Endpoints) {
		p.link.callSoon(r.now())
		p.tried = nil
	}
	p.config = cfg
	p.stray.Store(nil)
	r.leave(p)
	return p
}

func (r *Router) newSession(p *peer, keys trust.PublicKeys) *encap.Session {
	return encap.NewSession(encap.SessionConfig{
		Local: r.cfg.Local, Peer: keys, Indexes: &binder{r: r, p: p}, Stamp: r.cfg.Stamp,
		RekeyAfter: r.timing.Rekey, RekeyCount: r.timing.RekeyCount,
	})
}

func (r *Router) forget(id trust.Fingerprint, p *peer) {
	if p.path.Load() != nil {
		r.down(p, "no longer a member")
	}
	p.session.Close()
	r.abandonBacklog(p)
	r.asked.remove(p.asked)
	r.schedule.remove(p)
	delete(r.peers, id)
}

// candidates lists where to call the peer: where it was reached last, then what its claim and others say.
func (p *peer) candidates() []encap.Endpoint {
	var list []encap.Endpoint
	if path := p.path.Load(); path != nil {
		list = append(list, path.endpoint)
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
