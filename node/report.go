package node

import (
	"cmp"
	"net/netip"
	"os"
	"slices"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/version"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// Status is the whole state, as 'weft status' shows it.
func (n *Node) Status() (*api.Status, error) {
	peers, err := n.Peers()
	if err != nil {
		return nil, err
	}
	return &api.Status{Node: n.report(), Peers: peers}, nil
}

func (n *Node) report() api.Node {
	s := &n.state
	fast := n.fastPath()
	s.mu.Lock()
	defer s.mu.Unlock()
	counters := n.router.Counters()
	r := api.Node{
		Name: n.config().Name, ID: n.identity.Fingerprint().String(), Version: version.Get().Version, PID: os.Getpid(),
		Started: shown(n.started), Network: n.config().Network, SubnetMode: "static", Encryption: config.OnOff(n.config().Encryption),
		Listen: n.config().Listen, Advertised: some(s.called), Translated: some(s.seen), Refused: some(n.refused.notes()), Seeds: seeds(s.view),
		Drops: map[string]uint64{}, Socket: n.socketReport(), Conflicts: conflicts(s), Streams: n.streamReport(),
		Paths:      api.Paths(counters.Moves),
		Handshakes: api.Handshakes{Answered: counters.Handshakes.Answered, Cookies: counters.Handshakes.Cookies},
		Members:    memberReport(s.view), Claims: len(s.view.Claims), Gossip: n.gossipReport(), Config: s.configReport(),
		Sent: traffic(counters.Out), Received: traffic(counters.In), Relayed: traffic(counters.Relayed), SubnetNote: n.subnetNote(s.view.SelfState),
		Device: n.deviceReport(s.tun, s.choice), FastPath: fast, Secrets: n.secrets.Held(), KeySince: shown(n.keySince), Trust: n.trustReport(),
		Pods: n.podsReport(), Kubernetes: n.kubernetesReport(),
	}
	if n.config().Subnet.Auto {
		r.SubnetMode = "auto"
	}
	if n.config().Subnet.K8s {
		r.SubnetMode = "k8s"
	}
	r.Subnets, r.Addresses, r.Routes = []netip.Prefix{}, []netip.Addr{}, []api.Behind{}
	if s.plan != nil {
		r.Subnets, r.Addresses = some(s.plan.kernel.Own), some(s.plan.kernel.Addresses)
		r.Routes = routeTable{n.identity.Fingerprint(), n.config().Device, s.plan}.behind(n.config().Routes)
	}
	r.Split = api.Split(counters.Split)
	for reason, count := range counters.Dropped {
		r.Drops[reason.String()] = count
	}
	r.Degraded = append(s.degraded(), missing(r.Device.Features, r.Socket.Features)...)
	return r
}

// some is a list that JSON shows as one, also when it is empty.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// missing are the features that the kernel refuses: speed or safety that could be had on another one.
func missing(lists ...[]api.Feature) []api.Note {
	var notes []api.Note
	for _, f := range slices.Concat(lists...) {
		if f.State == string(tun.OffloadUnavailable) {
			notes = append(notes, api.Note{What: f.Name, Reason: f.Reason})
		}
	}
	return notes
}

func (n *Node) streamReport() api.Streams {
	c := n.streams.Counts()
	return api.Streams{Accepted: c.Accepted, Garbage: c.Garbage, Refused: c.Refused, Busy: c.Busy, Failed: c.Failed, Uncertified: c.Uncertified,
		Spliced: c.Spliced, Unspliced: c.Unspliced, SplicedBytes: c.SplicedBytes}
}

func (n *Node) deviceReport(d tun.Device, c *tun.Choice) api.Device {
	return api.Device{
		Name: n.config().Device, Driver: string(c.Driver), Why: c.Reason, MTU: n.deviceMTU(), Features: deviceFeatures(d),
	}
}

func deviceFeatures(d tun.Device) []api.Feature {
	return features(d.Offloads(), func(o tun.Offload) api.Feature {
		return api.Feature{Name: o.Name, State: string(o.State), Reason: o.Reason}
	})
}

func portFeatures(p encap.Port) []api.Feature {
	return features(p.Features(), func(f encap.Feature) api.Feature {
		return api.Feature{Name: f.Name, State: string(f.State), Reason: f.Reason}
	})
}

func (n *Node) socketReport() api.Socket {
	receive, send := n.port.Buffers()
	return api.Socket{
		Port: int(n.port.Port()), ReceiveBuffer: receive, SendBuffer: send, Overflow: n.port.Overflow(),
		Features: portFeatures(n.port),
	}
}

func selfNote(s mesh.SelfState) string {
	if s.Phase == mesh.SelfOwner {
		return ""
	}
	return cmp.Or(s.Reason, string(s.Phase))
}

func features[T any](list []T, as func(T) api.Feature) []api.Feature {
	out := make([]api.Feature, 0, len(list))
	for _, f := range list {
		out = append(out, as(f))
	}
	return out
}

func traffic(t router.Traffic) api.Traffic { return api.Traffic{Packets: t.Packets, Bytes: t.Bytes} }

func seeds(v mesh.View) []api.Seed {
	list := make([]api.Seed, 0, len(v.Seeds))
	for _, s := range v.Seeds {
		state := api.SeedJoined
		switch {
		case s.Self:
			state = api.SeedSelf
		case !s.OK:
			state = cmp.Or(s.LastError, "not called yet")
		}
		list = append(list, api.Seed{Address: s.Address, State: state, Name: s.Peer, Tries: s.Tries, Since: shown(s.Since), Next: shown(s.NextTry)})
	}
	return list
}

func conflicts(s *state) []api.Note {
	list := []api.Note{}
	if s.plan != nil {
		for _, c := range s.plan.conflicts {
			list = append(list, api.Note{What: c.Prefix.String(), Reason: c.String()})
		}
	}
	return list
}

// Peers is the state of every other node that is known, as 'weft peers' shows it.
func (n *Node) Peers() ([]api.Peer, error) {
	known, err := n.router.Peers()
	if err != nil {
		return nil, err
	}
	byID := make(map[trust.Fingerprint]router.PeerStatus, len(known))
	for _, p := range known {
		byID[p.ID] = p
	}
	n.state.mu.Lock()
	view := n.state.view
	n.state.mu.Unlock()
	list := []api.Peer{}
	for _, m := range view.Members {
		if m.ID == n.identity.Fingerprint() {
			continue
		}
		list = append(list, n.peerReport(m, byID[m.ID], view.Members))
	}
	slices.SortFunc(list, func(a, b api.Peer) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

func (n *Node) peerReport(m mesh.Member, p router.PeerStatus, members []mesh.Member) api.Peer {
	r := api.Peer{
		Name: m.Name, ID: m.ID.String(), State: api.StateUp, Since: shown(p.Since), Path: p.Path(), Endpoint: addrText(p.Endpoint),
		SeesUs: addrText(p.SeenAs), RTT: p.RTT.Microseconds(), Sealed: p.Sealed, Cipher: p.Cipher, Member: m.Alive,
		Subnets: some(p.Prefixes), Addrs: overlayAddresses(subnetsOf(m, p.Prefixes)), Sent: traffic(p.Tx), Received: traffic(p.Rx),
	}
	r.Version = p.Build
	keysReport(&r, p)
	if p.Loss >= 0 {
		r.Loss = &p.Loss
	}
	if p.SkewSaid {
		ahead := p.Skew.Milliseconds()
		r.Skew = &ahead
	}
	if !p.SeenAs.IsValid() {
		r.SeesUs = addrText(m.SeesUsAs)
	}
	switch {
	case m.Claim == nil && m.Refused != "":
		r.State, r.Reason, r.Since = api.StateRefused, m.Refused, shown(m.Since)
	case m.Claim == nil:
		r.State, r.Reason, r.Since = api.StateUnknown, "its claim has not arrived yet", shown(m.Since)
	case !p.Up && (p.Away || m.Left):
		r.State = api.StateAway
	case !p.Up:
		r.State = api.StateDown
	}
	if p.Up {
		n.pathReport(&r, &p, m.Claim, members)
		return r
	}
	r.Path, r.Endpoint = api.PathNone, ""
	r.Reason = cmp.Or(r.Reason, p.Reason)
	r.Tried = n.checks.explain(p)
	return r
}

func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
