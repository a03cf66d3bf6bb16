package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/punch"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/trust"
)

// timing is that of all links.
var timing = alive.Timing{}.WithDefaults()

// peer is another node as one node knows it. Fields are named as in package router.
type peer struct {
	n         *Node
	id        trust.Fingerprint
	number    trust.Number
	claim     *mesh.Claim
	session   *encap.Session
	relayedAt encap.Endpoint

	up      bool   // there is a path
	relayed bool   // it goes through relays
	route   *route // through relays, in use or ready; nil: there is none
	at      netip.AddrPort
	last    netip.AddrPort // where it was reached last
	stray   netip.AddrPort // where it was heard too, which the link does not follow
	away    bool           // it said goodbye

	link       alive.Link
	rtt        time.Duration
	meter      alive.Meter
	unheard    alive.Insistence
	relay      relayPath
	probes     probeLog
	heard      time.Time // from where the direct link leads
	relayHeard time.Time
	carried    time.Time // data went or came
	asking     time.Time
	initiated  time.Time
	resumed    time.Time
	questioned time.Time
	asked      []uint32
	confirmed  map[*encap.Keypair]bool
	seenAs     netip.AddrPort // where it sees this node
	downSince  time.Time
	switches   int // between the direct link and routes, or routes
	deaths     int // times that it was taken down
	punch      *punch.Engine
	wake       time.Time
	touched    bool
}

// relayPath is a peer's path through relays.
type relayPath struct {
	watch  alive.Link
	rtt    time.Duration
	heard  time.Time
	first  uint64
	names  []trust.Fingerprint
	failed alive.Failures

	choice linkstate.Choice
	seen   uint64
	asked  time.Time
	again  time.Time
	told   fitness
	stale  bool
}

// route is a way through relays, as the front of frames says it.
type route struct {
	first *peer
	head  encap.RelayHead
}

func newPeer(n *Node, c *mesh.Claim) *peer {
	p := &peer{n: n, claim: c, id: c.ID(), number: c.ID().Number(), confirmed: map[*encap.Keypair]bool{}, downSince: n.w.now}
	p.relayedAt = encap.RelayedEndpoint(p.number)
	p.link, p.relay.watch = alive.NewLink(timing, n.jitter), alive.NewLink(timing, n.jitter)
	p.session = encap.NewSession(encap.SessionConfig{
		Local: n.local, Peer: c.Keys, Indexes: p, Stamp: n.stamp, RekeyAfter: n.w.cfg.Rekey,
	})
	p.punch = punch.NewEngine(punch.Config{
		Leads: slices.Compare(n.self[:], p.id[:]) > 0, Jitter: n.jitter,
		Round:    func() uint64 { n.round++; return n.epoch<<32 | n.round },
		Callable: func(at netip.AddrPort) bool { return at.IsValid() && at.Addr() != n.public() && at != n.addr },
	})
	return p
}

// isDirect reports whether packets to the peer go straight.
func (p *peer) isDirect() bool { return p.up && !p.relayed }

// knowsRelays reports whether there are keys under which relay frames go.
func (p *peer) knowsRelays() bool {
	keys := p.session.Current()
	return keys != nil && keys.Relays()
}

// roundTrip is that of the path; 0: not known.
func (p *peer) roundTrip() time.Duration {
	if p.relayed {
		return p.relay.rtt
	}
	return p.rtt
}

// lastHeard is when the peer was heard last.
func (p *peer) lastHeard() time.Time {
	if p.relayHeard.After(p.heard) {
		return p.relayHeard
	}
	return p.heard
}

// endpoint is where frames to the peer go by its path.
func (p *peer) endpoint() encap.Endpoint {
	if p.relayed {
		return p.relayedAt
	}
	return encap.Endpoint{Addr: p.at}
}

// candidates are where to call the peer straight.
func (p *peer) candidates() []encap.Endpoint {
	var list []encap.Endpoint
	add := func(at netip.AddrPort) {
		e := encap.Endpoint{Addr: at}
		if at.IsValid() && !slices.Contains(list, e) && len(list) < maxCandidates {
			list = append(list, e)
		}
	}
	if p.link.Up() {
		add(p.at)
	} else {
		add(p.last)
	}
	for _, at := range p.claim.Endpoints {
		add(at)
	}
	return list
}

// maxCandidates bounds how many endpoints of a peer are called at once.
const maxCandidates = 6

// watch is what watches the present path.
func (p *peer) watch() *alive.Link {
	if p.relayed {
		return &p.relay.watch
	}
	return &p.link
}
