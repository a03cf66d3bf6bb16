package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// DefaultPort is the port of a seed that names none.
const DefaultPort = 9338

// Config is what a Mesh needs. Identity, Boot, Name, Network and Underlay must be set.
type Config struct {
	Identity *trust.Identity
	Boot     trust.BootNonce
	Name     string    // a label for people; at most 253 bytes
	Started  time.Time // start of this daemon; zero: when New was called
	Port     uint16    // listening port, and the port of seeds that name none; 0: DefaultPort

	Network   []netip.Prefix // the whole overlay
	Subnet    Subnet         // how we come by our subnets
	Bootstrap bool           // claim (auto) without waiting for a peer to answer
	Routes    []netip.Prefix // further prefixes behind this node

	Seeds    []string // host or host:port; names are resolved at each call
	StateDir string   // holds "claim", "peers.json" and "revoked.json"; empty: nothing is kept

	Underlay Underlay
	Resolver Resolver     // nil: net.DefaultResolver
	Logger   *slog.Logger // nil: discarded

	// OnView gets every new view, from the owner goroutine; it must not block. Changes of Seeds alone do not call it.
	OnView func(View)
	// Forbidden says why claimer may not have a prefix, or "": it covers an underlay address of another node. The reason
	// is a clause such as "it covers 192.0.2.1, an address of this host". It is asked again at every change, from the
	// owner goroutine and by View.Assign; it must not block. nil: nothing is forbidden.
	Forbidden func(p netip.Prefix, claimer trust.Fingerprint) string
	// Movable reports whether these auto subnets of ours may be given up for others now (no pod lives in them). It is asked
	// before the first view, too. A node that may not move keeps its subnets in a conflict and says so. nil: always.
	Movable func(subnets []netip.Prefix) bool

	// Present reports whether a path to a node works: then it is neither forgotten nor does its lease run, also where gossip does not
	// reach it. It is asked by the owner goroutine; it must not block. nil: gossip alone says who is there.
	Present func(trust.Fingerprint) bool
	Lease   time.Duration // how long the claim of a node is kept that is not there any more; 0: DefaultLease

	Admission *trust.Admission // who may take part; nil: whoever the Underlay lets in. It is shared with the Underlay

	Timing Timing
}

// Subnet says how a node comes by its subnets.
type Subnet struct {
	Kind     Kind
	Prefixes []netip.Prefix // static and k8s: the subnets themselves; auto: unused
	Bits4    int            // auto: prefix length of an IPv4 subnet; 0: 24
	Bits6    int            // auto: prefix length of an IPv6 subnet; 0: 64
}

// Local is what this node knows about itself and puts into its claim.
type Local struct {
	Endpoints    []netip.AddrPort
	UnderlayMTU  int
	Cut          []netip.Prefix // routes of ours whose hosts we do not reach ourselves at present
	MinVersion   uint8          // of the wire
	MaxVersion   uint8
	Capabilities uint64
}

// valid is l without what peers would refuse.
func (l Local) valid() Local {
	var at []netip.AddrPort
	for _, e := range l.Endpoints {
		if e = netip.AddrPortFrom(e.Addr().Unmap(), e.Port()); checkEndpoint(e) == nil && len(at) < maxEndpoints && !slices.Contains(at, e) {
			at = append(at, e)
		}
	}
	l.Endpoints = at
	l.UnderlayMTU = min(max(l.UnderlayMTU, 0), math.MaxUint16)
	return l
}

// Underlay carries gossip between nodes. Its methods are called from many goroutines.
type Underlay interface {
	// SendGossip sends one packet to a node, best effort and without blocking for long: through its session if there is
	// one, otherwise to the candidates at. packet is borrowed during the call. An error says that it was not sent for a
	// reason of our own, such as overload; that the node cannot be reached is none.
	SendGossip(to trust.Fingerprint, at []netip.AddrPort, packet []byte) error
	// DialGossip opens a stream to whoever answers first at one of the addresses. to is who is meant, and may be reached in other
	// ways, too; zero: whoever answers. The stream's Remote may turn out to be another node in any case, and has no Addr where
	// that is not known.
	DialGossip(ctx context.Context, to trust.Fingerprint, at []netip.AddrPort) (Stream, error)
}

// Resolver looks up the addresses of seeds; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func (c Config) withDefaults() Config {
	if c.Started.IsZero() {
		c.Started = time.Now()
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	if c.Subnet.Bits4 == 0 {
		c.Subnet.Bits4 = 24
	}
	if c.Subnet.Bits6 == 0 {
		c.Subnet.Bits6 = 64
	}
	if c.Lease <= 0 {
		c.Lease = DefaultLease
	}
	if c.Resolver == nil {
		c.Resolver = systemResolver{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Admission == nil {
		c.Admission = trust.NewAdmission(nil)
	}
	c.Timing = c.Timing.withDefaults()
	return c
}

func (c Config) check() error {
	switch {
	case c.Identity == nil:
		return errors.New("mesh: no identity")
	case c.Underlay == nil:
		return errors.New("mesh: no underlay")
	case len(c.Network) == 0:
		return errors.New("mesh: no network")
	}
	if err := trust.CheckName(c.Name); err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	for _, list := range [][]netip.Prefix{c.Network, c.Subnet.Prefixes, c.Routes} {
		for _, p := range list {
			if err := checkPrefix(p); err != nil {
				return fmt.Errorf("mesh: %w", err)
			}
		}
	}
	return nil
}

// checkDefaulted checks what has defaults.
func (c Config) checkDefaulted() error {
	for _, s := range c.Seeds {
		if _, _, err := SplitSeed(s, c.Port); err != nil {
			return err
		}
	}
	if err := c.checkHoldings(Rules{Network: c.Network}); err != nil {
		return err
	}
	self := selfClaim{cfg: &c}
	_, err := Sign(c.Identity, self.content(c.Started)) // too many prefixes for one claim?
	return err
}

// checkHoldings refuses what everybody would refuse to us.
func (c Config) checkHoldings(rules Rules) error {
	for _, p := range c.Routes {
		if why := rules.refuseRoute(p, c.Identity.Fingerprint()); why != "" {
			return fmt.Errorf("mesh: route %v: %s", p, why)
		}
	}
	return c.Subnet.check(rules, c.Identity.Fingerprint())
}

func (s Subnet) check(rules Rules, self trust.Fingerprint) error {
	switch s.Kind {
	case KindStatic, KindK8s:
		for _, p := range s.Prefixes {
			if why := rules.refuseSubnet(p, self); why != "" {
				return fmt.Errorf("mesh: subnet %v: %s", p, why)
			}
		}
		return nil
	case KindAuto:
		return s.checkSizes(rules.Network)
	}
	return fmt.Errorf("mesh: unknown kind of subnet %d", s.Kind)
}

func (s Subnet) checkSizes(network []netip.Prefix) error {
	for _, n := range network {
		if bits := s.bits(n.Addr()); bits <= n.Bits() || bits > n.Addr().BitLen() {
			return fmt.Errorf("mesh: a subnet of size /%d does not fit into network %v (choose %d to %d)",
				bits, n, n.Bits()+1, n.Addr().BitLen())
		}
	}
	return nil
}

func (s Subnet) bits(family netip.Addr) int {
	if family.Is4() {
		return s.Bits4
	}
	return s.Bits6
}
