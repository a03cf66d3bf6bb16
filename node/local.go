package node

import (
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/tun"
)

// defaultUnderlayMTU is taken where the kernel names no egress interface.
const defaultUnderlayMTU = 1500

// egressCache remembers by which interface packets to an address leave, and what else the host has outside the overlay. It is emptied
// when the kernel's routes change.
type egressCache struct {
	mu       sync.Mutex // guards the rest
	known    map[netip.Addr]kernel.Egress
	underlay *kernel.Underlay // nil: nobody has asked yet
	refused  string           // why the host could not be looked at last, or ""
	since    time.Time
}

// egressLife is how long an answer is believed although no route changed.
const egressLife = 30 * time.Second

func (c *egressCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.underlay, c.since = nil, nil, time.Now()
}

func (c *egressCache) expire() {
	c.mu.Lock()
	old := time.Since(c.since) > egressLife
	c.mu.Unlock()
	if old {
		c.forget()
	}
}

// egress says how packets to an underlay address leave this host; the zero address means the default route, an unspecified one that of its
// family.
func (n *Node) egress(to netip.Addr) kernel.Egress {
	switch to {
	case netip.Addr{}:
		return n.underlay().Default
	case netip.IPv4Unspecified():
		return n.underlay().IPv4
	case netip.IPv6Unspecified():
		return n.underlay().IPv6
	}
	c := &n.egresses
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.known[to]; ok {
		return e
	}
	e, err := n.platform.Kernel.Egress(to)
	if err != nil {
		e = kernel.Egress{MTU: defaultUnderlayMTU, Why: err.Error()}
	}
	if c.known == nil {
		c.known = map[netip.Addr]kernel.Egress{}
	}
	c.known[to] = e
	return e
}

// underlay is what this host has outside the overlay.
func (n *Node) underlay() *kernel.Underlay {
	c := &n.egresses
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.underlay == nil {
		u, err := n.platform.Kernel.Underlay(n.config().Device, n.config().Network)
		n.noteUnderlay(err)
		if !u.Default.Source.IsValid() {
			u.Default.MTU = defaultUnderlayMTU
		}
		c.underlay = &u
	}
	return c.underlay
}

// noteUnderlay tells once that the host cannot be looked at. The cache is locked.
func (n *Node) noteUnderlay(err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	if reason != "" && reason != n.egresses.refused {
		n.log.Warn("node.underlay.unknown", "error", err)
	}
	n.egresses.refused = reason
}

// underlayAddresses are the addresses of this host under which peers might reach it.
func (n *Node) underlayAddresses() []netip.Addr { return n.underlay().Addresses }

// kernelChanged hears that routes, addresses or links of the host changed.
func (n *Node) kernelChanged() {
	n.egresses.forget()
	n.trains.renew(n.port)
	n.changed()
}

// deviceMTU is the MTU of the overlay device: the configured one, or the egress MTU less the overhead over IPv4. Routes
// to peers that are reached over IPv6 carry less.
func (n *Node) deviceMTU() int {
	cfg := n.config()
	if cfg.MTU > 0 {
		return cfg.MTU
	}
	e := n.egress(netip.Addr{})
	is4 := !e.Source.IsValid() || e.Source.Is4()
	return min(max(int(e.MTU)-encap.Overhead(cfg.Encryption, is4), config.MinMTU), config.MaxMTU)
}

// deviceOptions asks for a queue for each of the port's lanes.
func (n *Node) deviceOptions() tun.Options {
	cfg := n.config()
	return tun.Options{
		Name: cfg.Device, Driver: cfg.Driver, MTU: n.deviceMTU(), Queues: len(n.port.Lanes()), Offloads: cfg.Offload.Device,
	}
}

// advertised lists where peers shall call this node, and why; withheld are addresses that they are not told, for packets would
// travel in clear.
func (n *Node) advertised() (list []api.Advertised, withheld []netip.Addr) {
	addAt := func(at netip.AddrPort, why string) {
		a := at.Addr()
		known := slices.ContainsFunc(list, func(x api.Advertised) bool { return x.Endpoint == at })
		switch {
		case !a.IsValid() || known || n.config().InNetwork(a):
		case n.barsClear(a) != "":
			withheld = append(withheld, a)
		default:
			list = append(list, api.Advertised{Endpoint: at, Why: why})
		}
	}
	add := func(a netip.Addr, why string) { addAt(netip.AddrPortFrom(a.Unmap(), n.port.Port()), why) }
	for _, a := range n.config().Advertise {
		add(a, "configured (advertise)")
	}
	if len(list) > 0 {
		return list, withheld
	}
	if host := listenAddr(n.config()); host.IsValid() {
		add(host, "the address that it listens on")
		return list, withheld
	}
	for _, e := range n.egressBothFamilies() {
		add(e.Source, e.Why)
	}
	for _, at := range n.public {
		addAt(at, "peers see this node there")
	}
	return list, withheld
}

// listenAddr is the one address that a node listens on; invalid: all of the host's.
func listenAddr(cfg *config.Config) netip.Addr {
	at, err := netip.ParseAddrPort(cfg.Listen)
	if err != nil || at.Addr().IsUnspecified() {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// egressBothFamilies asks for the default way out over IPv4 and IPv6; a family without one is left out.
func (n *Node) egressBothFamilies() []kernel.Egress {
	var list []kernel.Egress
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if e := n.egress(any); e.Source.IsValid() {
			list = append(list, e)
		}
	}
	return list
}

// updateLocal tells the mesh what this node is now; it raises the claim's version only if something changed.
func (n *Node) updateLocal() {
	list, withheld := n.advertised()
	n.noteClear(withheld)
	local := mesh.Local{
		Cut: n.lookBehind(), UnderlayMTU: int(n.egress(netip.Addr{}).MTU), MinVersion: encap.Version, MaxVersion: encap.Version,
		Capabilities: n.settings().Capabilities,
	}
	for _, a := range list {
		local.Endpoints = append(local.Endpoints, a.Endpoint)
	}
	n.router.SetCandidates(n.ownEndpoints(), local.Endpoints)
	if n.state.advertised(list) {
		n.router.Announce()
	}
	if !reflect.DeepEqual(local, n.lastLocal) {
		n.lastLocal = local
		n.mesh.SetLocal(local)
	}
}
