package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// hostInterface is the interface of a host on the underlay.
const hostInterface = "eth0"

var (
	// underlay4 is TEST-NET-1 of RFC 5737: nothing on the machine or beyond uses it.
	underlay4 = netip.MustParsePrefix("192.0.2.0/24")
	// underlay6 is a unique local prefix (RFC 4193); the global id spells "weft".
	underlay6 = netip.MustParsePrefix("fd77:6566:7400::/64")
)

const (
	firstHost = 10 // 192.0.2.10 is the first host
	lastHost  = 254
)

// Host is a virtual machine of the lab: a namespace with eth0 on the underlay, that routes between its interfaces.
type Host struct {
	*Namespace
	port string // its port of the switch
	link netlink.Link
	nat  *NAT // that it is behind; nil: it is on the underlay

	// The lab's lock guards what follows.
	addrs    []netip.Prefix // on eth0
	defaults []netip.Addr   // gateways of default routes
	pods     []*Pod
	next     int          // counts the pods' ports
	bridge   netlink.Link // of the pods; nil before the first
}

// Host makes a host with the next free address of each family. Names are 1 to 32 of a-z, 0-9 and inner hyphens.
func (l *Lab) Host(name string) (*Host, error) {
	if err := checkName("host", name); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken(name) {
		return nil, fmt.Errorf("lab: host %s: the name is taken", name)
	}
	addrs, err := l.freeAddrs()
	if err != nil {
		return nil, err
	}
	n, err := l.space(name, quietSettings, hostSettings)
	if err != nil {
		return nil, err
	}
	h := &Host{Namespace: n, port: fmt.Sprintf("port%d", len(l.spaces))}
	if err := h.plugIn(addrs); err != nil {
		return nil, errors.Join(err, l.discard(n))
	}
	l.hosts = append(l.hosts, h)
	l.say("host %s: %s", name, joined(h.addrs))
	return h, nil
}

// plugIn connects a new host to the switch. The lab's lock is held.
func (h *Host) plugIn(addrs []netip.Addr) (err error) {
	hub := h.lab.hub
	if h.link, err = hub.connect(hub.bridge, h.port, h.Namespace, hostInterface, h.lab.mtu); err != nil {
		return err
	}
	if err := errors.Join(h.limit(hostInterface, h.lab.rate), hub.limit(h.port, h.lab.rate)); err != nil {
		return err
	}
	for _, addr := range addrs {
		if err := h.addAddr(addr); err != nil {
			return err
		}
	}
	return nil
}

// addAddr adds an underlay address to eth0. The lab's lock is held.
func (h *Host) addAddr(addr netip.Addr) error {
	prefix := netip.PrefixFrom(addr, underlay6.Bits())
	if addr.Is4() {
		prefix = netip.PrefixFrom(addr, underlay4.Bits())
	}
	if err := h.addAddress(h.link, prefix); err != nil {
		return err
	}
	h.addrs = append(h.addrs, prefix)
	return nil
}

// taken reports whether the lab has a namespace of that name. The lock is held.
func (l *Lab) taken(name string) bool {
	return slices.ContainsFunc(l.spaces, func(n *Namespace) bool { return n.name == name })
}

// freeAddrs are the lowest addresses that no host has, with the same number in each family that the kernel has. An address
// that a host had and changed is free again. The lock is held.
func (l *Lab) freeAddrs() ([]netip.Addr, error) {
	for number := firstHost; number <= lastHost; number++ {
		addrs := numbered(number)
		if !slices.ContainsFunc(addrs, l.used) {
			return addrs, nil
		}
	}
	return nil, fmt.Errorf("lab: no free address: the underlay holds %d hosts", lastHost-firstHost+1)
}

// numbered are the underlay addresses with one number: 192.0.2.10 and fd77:6566:7400::10 (written alike, so in hex digits).
func numbered(number int) []netip.Addr {
	four := underlay4.Addr().As4()
	four[3] = byte(number)
	addrs := []netip.Addr{netip.AddrFrom4(four)}
	if haveIPv6() {
		six, err := netip.ParseAddr(fmt.Sprintf("%s%d", underlay6.Addr(), number))
		if err == nil {
			addrs = append(addrs, six)
		}
	}
	return addrs
}

// used reports whether a host has the address. The lock is held.
func (l *Lab) used(addr netip.Addr) bool {
	return slices.ContainsFunc(l.hosts, func(h *Host) bool { return slices.Contains(plainAddrs(h.addrs), addr) })
}

// Addrs are the host's underlay addresses, IPv4 first.
func (h *Host) Addrs() []netip.Addr {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	return plainAddrs(h.addrs)
}

// Addr4 is the host's IPv4 address on the underlay; invalid when it has none.
func (h *Host) Addr4() netip.Addr { return first(h.Addrs(), netip.Addr.Is4) }

// Addr6 is the host's IPv6 address on the underlay; invalid when it has none, as on a kernel without IPv6.
func (h *Host) Addr6() netip.Addr { return first(h.Addrs(), netip.Addr.Is6) }

// Port is the name of the host's port of UnderlayBridge, in the switch.
func (h *Host) Port() string { return h.port }

// MAC is the Ethernet address of the host's eth0.
func (h *Host) MAC() net.HardwareAddr { return h.link.Attrs().HardwareAddr }

// Pods are the host's pods in the order in which they were made.
func (h *Host) Pods() []*Pod {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	return slices.Clone(h.pods)
}

// first is the first address of which is holds, or an invalid one.
func first(addrs []netip.Addr, is func(netip.Addr) bool) netip.Addr {
	if i := slices.IndexFunc(addrs, is); i >= 0 {
		return addrs[i]
	}
	return netip.Addr{}
}

func plainAddrs(prefixes []netip.Prefix) []netip.Addr {
	addrs := make([]netip.Addr, 0, len(prefixes))
	for _, prefix := range prefixes {
		addrs = append(addrs, prefix.Addr())
	}
	return addrs
}
