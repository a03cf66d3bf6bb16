package router

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/encap"
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
	Endpoint netip.AddrPort // where it is reached; invalid while down
	Last     netip.AddrPort // where it was reached last, or is; invalid: never
	Local    netip.Addr     // our address on that path; invalid: the kernel chooses
	RTT      time.Duration  // smoothed; 0: not measured yet
	Heard    time.Time      // last authenticated frame by the path; zero: never
	SeenAs   netip.AddrPort // where the peer sees us; invalid: it has not said
	Sealed   bool
	Version  uint8
	Cipher   string
	MTU      int       // of its underlay, as it says; 0: no session yet
	KeysBorn time.Time // when the present keys were made; zero: none
	Prefixes []netip.Prefix
	Build    string        // which weft it is, as it says; empty: an older one, or no session yet
	Skew     time.Duration // how far its clock is ahead of ours; within half a round trip
	SkewSaid bool          // Skew is known: older builds do not say
	History  encap.History // of its handshakes
	Tried    []Attempt
	Tx, Rx   Traffic
	Relayed  Traffic // frames of it that this node sent on to others, with their fronts; no Batches

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
		ID: p.id, Name: p.config.Name, Up: p.link.up, Away: p.away, Reason: p.reason, Since: p.since, RTT: p.rtt,
		Last: p.last, Heard: r.at(p.heard.Load()), SeenAs: p.seenAs, Prefixes: p.config.Prefixes, Tried: slices.Clone(p.tried),
		History: p.session.History(),
		Skew:    p.skew, SkewSaid: p.skewKnown,
		Tx:      Traffic{Packets: p.tx.packets.Load(), Bytes: p.tx.bytes.Load()},
		Relayed: Traffic{Packets: p.carry.relayed.Load(), Bytes: p.carry.relayedBytes.Load()},
		Rx:      Traffic{Packets: p.rx.packets.Load(), Bytes: p.rx.bytes.Load()},
	}
	if path := p.path.Load(); path != nil {
		s.Endpoint, s.Local, s.Last = path.endpoint.Addr, path.endpoint.Local, path.endpoint.Addr
	}
	if keys := p.session.Current(); keys != nil {
		agreed := p.session.Agreement()
		s.Sealed, s.KeysBorn, s.Version = keys.Sealed, keys.Born, agreed.Version
		s.Secret, s.Offers = keys.Secret, agreed.Capabilities&encap.CapSecrets != 0
		remote := p.session.Remote()
		s.Cipher, s.MTU, s.Build = agreed.Cipher.String(), int(remote.MTU), remote.Build
	}
	return s
}

// Doubt makes the router probe a peer at once: something outside hints that it may be gone.
func (r *Router) Doubt(id trust.Fingerprint) {
	_ = r.call(func() { // a router that has stopped doubts nobody
		if p := r.peers[id]; p != nil && p.link.doubt(r.now()) == probe {
			r.sendProbe(p, encap.Probe, p.path.Load().endpoint, p.probes.next(r.now()))
		}
	})
}
