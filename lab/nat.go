package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
)

// NATKind is how a NAT translates, in the words of RFC 4787.
type NATKind uint8

const (
	// NATEndpointIndependent gives a socket behind it the same port for all destinations, that of the socket itself where it
	// can, and lets in only what answers: endpoint-independent mapping, address and port-dependent filtering. Most routers at
	// home are so.
	NATEndpointIndependent NATKind = iota
	// NATSymmetric gives a socket a random port for each destination (address and port-dependent mapping), and lets in only what
	// answers. Some large carriers and office firewalls are so.
	NATSymmetric
	// NATOneToOne gives each host a public address of its own and keeps all ports; it filters nothing. Clouds are so.
	NATOneToOne
)

// NATOptions say what kind of NAT to make. The zero value is an endpoint-independent one without hairpin.
type NATOptions struct {
	Kind NATKind
	// Hairpin lets hosts behind a NATOneToOne reach each other at their public addresses. The other kinds have none.
	Hairpin bool
	// UDPTimeout is how long a mapping of UDP lives without packets, in whole seconds; 0: the kernel's (30 s, or 120 s once there
	// were answers).
	UDPTimeout time.Duration
}

// The network behind every NAT is the same, as it is at so many homes.
var (
	natInside  = netip.MustParsePrefix("192.168.1.0/24")
	natGateway = netip.MustParseAddr("192.168.1.1")
)

const natBridge = "lan" // of a NAT, with its hosts

// NAT is a router with a public address on the underlay and hosts behind it, which have private addresses, of IPv4 alone, and a
// default route to it. It translates with the kernel's own NAT (nf_nat). As a Host it can be isolated, cut from others and given
// another public address; all hosts behind it share that fate.
type NAT struct {
	*Host
	options NATOptions
	bridge  netlink.Link

	// The lab's lock guards what follows.
	inner   []*Host
	publics []netip.Addr // of NATOneToOne: one for each of inner
	seed    uint32       // of the ports after Rebind; 0: those of the sockets
}

// NAT makes a NAT with the next free address. Hosts behind it are made with Behind.
func (l *Lab) NAT(name string, o NATOptions) (*NAT, error) {
	if o.Kind > NATOneToOne || o.Hairpin && o.Kind != NATOneToOne || o.UDPTimeout < 0 || o.UDPTimeout%time.Second != 0 {
		return nil, fmt.Errorf("lab: NAT %s: no such NAT: %+v", name, o)
	}
	h, err := l.Host(name)
	if err != nil {
		return nil, err
	}
	n := &NAT{Host: h, options: o}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.bridge, err = h.addBridge(natBridge, l.mtu, nil); err != nil {
		return nil, err
	}
	inside := netip.PrefixFrom(natGateway, natInside.Bits())
	if err := errors.Join(h.addAddress(n.bridge, inside), n.translate(), n.setTimeout()); err != nil {
		return nil, err
	}
	return n, nil
}

// setTimeout sets how long mappings of UDP live. The kernel has the settings once something translates.
func (n *NAT) setTimeout() error {
	if n.options.UDPTimeout == 0 {
		return nil
	}
	seconds := fmt.Sprint(int(n.options.UDPTimeout.Seconds()))
	return n.Do(func() error {
		return apply([]setting{
			{"netfilter/nf_conntrack_udp_timeout", seconds}, {"netfilter/nf_conntrack_udp_timeout_stream", seconds},
		})
	})
}

// Behind makes a host behind the NAT. The first gets 192.168.1.10, whatever other NATs have behind them. Behind a NATOneToOne it
// also gets a public address, see Public. Such a host can be isolated, but not be cut from one other host nor change its address.
func (n *NAT) Behind(name string) (*Host, error) {
	if err := checkName("host", name); err != nil {
		return nil, err
	}
	l := n.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken(name) {
		return nil, fmt.Errorf("lab: host %s: the name is taken", name)
	}
	if err := n.addPublic(); err != nil {
		return nil, err
	}
	space, err := l.space(name, quietSettings, hostSettings)
	if err != nil {
		return nil, err
	}
	h := &Host{Namespace: space, port: fmt.Sprintf("port%d", len(l.spaces)), nat: n}
	if err := n.plugIn(h); err != nil {
		return nil, errors.Join(err, l.discard(space))
	}
	n.inner = append(n.inner, h)
	l.say("host %s: %s behind %s", name, joined(h.addrs), n.name)
	return h, n.translate()
}

// plugIn connects a new host to the network behind the NAT. The lab's lock is held.
func (n *NAT) plugIn(h *Host) (err error) {
	if h.link, err = n.connect(n.bridge, h.port, h.Namespace, hostInterface, n.lab.mtu); err != nil {
		return err
	}
	four := natInside.Addr().As4()
	four[3] = byte(firstHost + len(n.inner))
	prefix := netip.PrefixFrom(netip.AddrFrom4(four), natInside.Bits())
	h.addrs = []netip.Prefix{prefix}
	return errors.Join(h.addAddress(h.link, prefix), h.setDefault(h.link, natGateway))
}

// addPublic gives a NATOneToOne one more public address: the first host behind it has the one that it came with. The lab's lock
// is held.
func (n *NAT) addPublic() error {
	if n.options.Kind != NATOneToOne {
		return nil
	}
	if len(n.publics) == 0 {
		n.publics = []netip.Addr{first(plainAddrs(n.addrs), netip.Addr.Is4)}
		return nil
	}
	free, err := n.lab.freeAddrs()
	if err != nil {
		return err
	}
	n.publics = append(n.publics, free[0])
	return n.addAddr(free[0])
}

// Public is the address under which the underlay sees a host behind the NAT.
func (n *NAT) Public(h *Host) netip.Addr {
	n.lab.mu.Lock()
	defer n.lab.mu.Unlock()
	if i := slices.Index(n.inner, h); n.options.Kind == NATOneToOne && i >= 0 {
		return n.publics[i]
	}
	return first(plainAddrs(n.addrs), netip.Addr.Is4)
}

// Rebind forgets all mappings, as a router does that was restarted. Those made from now on have other ports; a NATOneToOne keeps
// them.
func (n *NAT) Rebind() error {
	n.lab.mu.Lock()
	defer n.lab.mu.Unlock()
	if err := n.lab.open("rebind " + n.name); err != nil {
		return err
	}
	n.seed++
	return errors.Join(n.translate(), n.forgetMappings())
}

// ChangeAddress gives the NAT another public address, as the lease of a new day does, and forgets all mappings. Those of a
// NATOneToOne stay: it refuses.
func (n *NAT) ChangeAddress(addrs ...netip.Addr) error {
	if n.options.Kind == NATOneToOne {
		return fmt.Errorf("lab: change address of %s: public addresses of hosts stay", n.name)
	}
	if err := n.Host.ChangeAddress(addrs...); err != nil {
		return err
	}
	n.lab.mu.Lock()
	defer n.lab.mu.Unlock()
	return errors.Join(n.translate(), n.forgetMappings())
}
