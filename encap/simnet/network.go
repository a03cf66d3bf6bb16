package simnet

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Options are what all paths have in common.
type Options struct {
	Seed   uint64
	Loss   float64       // share of UDP frames that are lost, 0 to 1
	Delay  time.Duration // one way
	Jitter time.Duration // up to this much is added to the delay of each UDP frame
	MTU    int           // of IP packets; longer ones are refused as too big. Default 1500
}

// Network is an underlay.
type Network struct {
	mu      sync.Mutex // guards all state of the network, its hosts and their sockets
	opts    Options
	rng     *rand.Rand
	owners  map[netip.Addr]*Host
	cuts    map[[2]*Host]bool // both orders are entered
	links   map[[2]netip.Addr]link
	changed chan struct{} // closed and replaced at every change of a path
	sent    uint64        // frames, to keep those in order that are due at once
}

// New makes a network without hosts.
func New(o Options) *Network {
	if o.MTU == 0 {
		o.MTU = 1500
	}
	return &Network{
		opts: o, rng: rand.New(rand.NewPCG(o.Seed, 0)), owners: map[netip.Addr]*Host{}, cuts: map[[2]*Host]bool{},
		links:   map[[2]netip.Addr]link{},
		changed: make(chan struct{}),
	}
}

// Host adds a host with these addresses.
func (n *Network) Host(addrs ...netip.Addr) *Host {
	h := &Host{net: n, udp: map[uint16]*udpPort{}, tcp: map[uint16]*listener{}, conns: map[*tcpConn]struct{}{}, nextPort: 49152}
	h.Readdress(addrs...)
	return h
}

// Cut ends the path between two hosts, both ways.
func (n *Network) Cut(a, b *Host) { n.setCut(a, b, true) }

// Heal undoes Cut.
func (n *Network) Heal(a, b *Host) { n.setCut(a, b, false) }

// CutOneWay makes all be lost that one host sends to another, and not what comes back, as a firewall does that lets packets pass in one
// direction only. Heal undoes it.
func (n *Network) CutOneWay(from, to *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[[2]*Host{from, to}] = true
	n.announce()
}

func (n *Network) setCut(a, b *Host, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[[2]*Host{a, b}], n.cuts[[2]*Host{b, a}] = cut, cut
	n.announce()
}

// link is what the way between two addresses has of its own.
type link struct {
	delay time.Duration // in place of that of all; 0: that
	cut   bool
}

// SetLink gives the way between two addresses a delay of its own, 0 for that of all, or cuts it, both ways.
func (n *Network) SetLink(a, b netip.Addr, delay time.Duration, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[[2]netip.Addr{a, b}], n.links[[2]netip.Addr{b, a}] = link{delay, cut}, link{delay, cut}
	n.announce()
}

// SetLoss changes the share of UDP frames that are lost.
func (n *Network) SetLoss(share float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opts.Loss = share
}

// SetDelay changes the delay of what is sent from now on.
func (n *Network) SetDelay(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opts.Delay = d
}

// announce wakes those that wait for a path. mu is held.
func (n *Network) announce() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// pathUp reports whether packets go from one address to another. mu is held.
func (n *Network) pathUp(from, to netip.Addr) bool {
	a, b := n.owners[from], n.owners[to]
	return a != nil && b != nil && !n.cuts[[2]*Host{a, b}] && !n.links[[2]netip.Addr{from, to}].cut
}
