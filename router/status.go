package router

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/pmtu"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/trust"
)

// PeerStatus is what the router knows of one peer at one moment.
type PeerStatus struct {
	ID       trust.Fingerprint
	Name     string
	Up       bool
	Away     bool   // down, because it said goodbye
	Reason   string // why it is down; empty while up
	Since    time.Time
	Endpoint netip.AddrPort // where it is reached straight; invalid while it is down, or reached through relays
	Last     netip.AddrPort // where it was reached straight last, or is; invalid: never
	Local    netip.Addr     // our address on that path; invalid: the kernel chooses
	RTT      time.Duration  // of the path, smoothed; 0: not measured yet
	Loss     float64        // share of the probes of its path that were lost lately; less than 0: there is none, or it is not measured
	Heard    time.Time      // last authenticated frame; zero: never
	SeenAs   netip.AddrPort // where the peer sees us; invalid: it has not said
	Sealed   bool
	Version  uint8
	Cipher   string
	MTU      int       // of its underlay, as it says; 0: no session yet
	KeysBorn time.Time // when the present keys were made; zero: none
	Prefixes []netip.Prefix
	PathMTU  int           // longest IP packet that the path carries; 0: it was never up
	InnerMTU int           // longest inner packet that goes in one frame then
	MTUKnown pmtu.Known    // how PathMTU is known
	Build    string        // which weft it is, as it says; empty: an older one, or no session yet
	Skew     time.Duration // how far its clock is ahead of ours; within half a round trip
	SkewSaid bool          // Skew is known: older builds do not say
	History  encap.History // of its handshakes
	Tried    []Attempt
	OneWay   Attempt  // its calls that came while our answers were lost; zero: that is not so
	Refusing []string // names of nodes that reach it, and refuse to relay, while it is down and no route leads to it; nil: there are none
	Tx, Rx   Traffic
	Relayed  Traffic // frames of it that this node sent on to others, with their fronts; no Batches

	Relays []trust.Fingerprint // that it is reached through, in the order in which packets pass them; none: it is not
	Via    []string            // their names
	Spare  []string            // names of relays that stand ready, should the path fail
	Hop    netip.AddrPort      // where the first of them is reached
	Why    string              // why the path is this one, in words; empty while down
	Pathed time.Time           // since when it is

	EndpointWhy string         // why the direct link leads to Endpoint, in words; empty: there is none
	Candidates  []alive.Result // endpoints of it that are compared, while the direct link is up; the one in use first. None: it has one

	NoDirect string // why no direct path is found to a peer that is reached through relays alone; empty: not known, or there is one

	Secret trust.SecretID // that the present keys were made under
	Offers bool           // its build takes the cluster's next secret through the session
}

// Peers returns the state of every peer, by name.
func (r *Router) Peers() ([]PeerStatus, error) {
	var list []PeerStatus
	err := r.call(func() {
		for _, p := range r.peers {
			list = append(list, p.status(r))
		}
	})
	slices.SortFunc(list, func(a, b PeerStatus) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	return list, err
}

func (p *peer) status(r *Router) PeerStatus {
	s := PeerStatus{
		ID: p.id, Name: p.config.Name, Up: p.isUp(), Away: p.away, Reason: p.downReason(), Since: p.since, RTT: p.roundTrip(),
		Last: p.last, Heard: p.lastHeard(r), SeenAs: p.seenAs, Prefixes: p.config.Prefixes, Tried: slices.Clone(p.tried),
		History: p.session.History(), PathMTU: p.sizing.told.MTU, InnerMTU: p.sizing.inner, MTUKnown: p.sizing.told.Known,
		Skew: p.skew, SkewSaid: p.skewKnown,
		OneWay:  p.callerOneWay(r.now()),
		Tx:      Traffic{Packets: p.tx.packets.Load(), Bytes: p.tx.bytes.Load()},
		Relayed: Traffic{Packets: p.carry.relayed.Load(), Bytes: p.carry.relayedBytes.Load()},
		Rx:      Traffic{Packets: p.rx.packets.Load(), Bytes: p.rx.bytes.Load()},
	}
	s.Loss = p.loss()
	if !s.Up {
		s.Refusing = r.refusing(p)
	}
	p.pathStatus(&s, r)
	if keys := p.session.Current(); keys != nil {
		agreed := p.session.Agreement()
		s.Sealed, s.KeysBorn, s.Version = keys.Sealed, keys.Born, agreed.Version
		s.Secret, s.Offers = keys.Secret, agreed.Capabilities&encap.CapSecrets != 0
		remote := p.session.Remote()
		s.Cipher, s.MTU, s.Build = agreed.Cipher.String(), int(remote.MTU), remote.Build
	}
	return s
}

// notCalled is the reason of a peer that is new.
const notCalled = "not called yet"

// downReason says why the peer is not reached; empty: it is.
func (p *peer) downReason() string {
	if p.reason == notCalled && len(p.tried) > 0 {
		return "no call was answered yet"
	}
	return p.reason
}

// pathStatus says by which way the peer is reached.
func (p *peer) pathStatus(s *PeerStatus, r *Router) {
	path := p.path.Load()
	if path == nil {
		return
	}
	s.Why, s.Pathed, s.NoDirect, s.Spare = p.why, p.pathed, r.whyRelayed(p), r.namesOf(p.relay.spare)
	if p.link.Up() {
		s.Last, s.EndpointWhy, s.Candidates = p.at().Addr, p.leads, p.rivals.Results()
	}
	if path.route == nil {
		s.Endpoint, s.Local = path.endpoint.Addr, path.endpoint.Local
		return
	}
	s.Relays, s.Via = p.relay.names, r.namesOf(p.relay.names)
	if hop := hopTo(path.route.first); hop.link != nil {
		s.Hop = hop.link.endpoint.Addr
	}
}

// IsRelayed reports whether the peer is reached through relays.
func (s *PeerStatus) IsRelayed() bool { return len(s.Relays) > 0 }

// Path is how the peer is reached: udp, relay, or none.
func (s *PeerStatus) Path() string {
	switch {
	case !s.Up:
		return "none"
	case s.IsRelayed():
		return "relay"
	}
	return "udp"
}

// Doubt makes the router probe a peer at once: something outside hints that it may be gone.
func (r *Router) Doubt(id trust.Fingerprint) {
	_ = r.call(func() { // a router that has stopped doubts nobody
		if p := r.peers[id]; p != nil && p.isUp() && p.watch().Doubt(r.now()) == alive.Probe {
			r.probePath(p, r.now())
		}
	})
}
