package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// UnderlayBridge is the bridge inside the switch's namespace that all hosts are plugged to.
const UnderlayBridge = "underlay"

// hubMAC is the address of the underlay bridge, locally administered. Frames to it end in the switch, whose network stack
// has no addresses and does not forward: a Cut sends frames there.
var hubMAC = net.HardwareAddr{0x02, 0x77, 0x65, 0x66, 0x74, 0x00}

// hub is the switch: the bridge that all hosts are plugged to.
type hub struct {
	*Namespace
	bridge netlink.Link
}

// newHub makes the switch of a lab.
func newHub(l *Lab) (*hub, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.space(switchName, switchSettings)
	if err != nil {
		return nil, err
	}
	bridge, err := n.addBridge(UnderlayBridge, l.mtu, hubMAC)
	if err != nil {
		return nil, errors.Join(err, l.discard(n))
	}
	return &hub{Namespace: n, bridge: bridge}, nil
}

// Switch is the namespace through which everything of the underlay passes, for those who want to look at it: each host's
// cable ends there in a port of the bridge UnderlayBridge. It has no addresses.
func (l *Lab) Switch() *Namespace { return l.hub.Namespace }

// addBridge makes a bridge that forwards at once and does nothing of its own accord.
func (n *Namespace) addBridge(name string, mtu int, mac net.HardwareAddr) (netlink.Link, error) {
	snooping := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = name, mtu, mac
	if err := n.links.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}); err != nil {
		return nil, fmt.Errorf("lab: make bridge %s in %s: %w", name, n.name, lacking("bridge", err))
	}
	if err := n.up(name); err != nil {
		return nil, err
	}
	return n.link(name)
}

// connect makes a veth pair from port, on a bridge of this namespace, to the interface name in another namespace. Both ends
// are made in place: neither is ever in the machine's own namespace.
func (n *Namespace) connect(bridge netlink.Link, port string, to *Namespace, name string, mtu int) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = port, mtu, bridge.Attrs().Index
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU, veth.PeerNamespace = name, uint32(mtu), netlink.NsFd(to.handle)
	if err := n.links.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("lab: connect %s to %s: %w", to.name, n.name, lacking("veth", err))
	}
	if err := errors.Join(n.up(port), to.up(name)); err != nil {
		return nil, err
	}
	return to.link(name)
}

// lacking says which module an operation needs, when that is why it failed.
func lacking(module string, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: this kernel may lack the module %s (modprobe %s)", err, module, module)
	}
	return err
}

// link finds an interface of the namespace.
func (n *Namespace) link(name string) (netlink.Link, error) {
	link, err := n.links.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("lab: find %s in %s: %w", name, n.name, err)
	}
	return link, nil
}

// up sets an interface up.
func (n *Namespace) up(name string) error {
	link, err := n.link(name)
	if err != nil {
		return err
	}
	if err := n.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("lab: set %s up in %s: %w", name, n.name, err)
	}
	return nil
}

// addAddress gives an interface an address that can be used at once: without duplicate address detection.
func (n *Namespace) addAddress(link netlink.Link, prefix netip.Prefix) error {
	if err := n.links.AddrReplace(link, address(prefix)); err != nil {
		return fmt.Errorf("lab: add %s to %s in %s: %w", prefix, link.Attrs().Name, n.name, err)
	}
	return nil
}

// removeAddress takes an address from an interface.
func (n *Namespace) removeAddress(link netlink.Link, prefix netip.Prefix) error {
	if err := n.links.AddrDel(link, address(prefix)); err != nil {
		return fmt.Errorf("lab: remove %s from %s in %s: %w", prefix, link.Attrs().Name, n.name, err)
	}
	return nil
}
