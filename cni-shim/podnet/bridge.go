package podnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// Bridge is the bridge of a node as it is wanted.
type Bridge struct {
	Name     string
	MTU      int            // at most: a port with a lower one lowers it
	Gateways []netip.Prefix // its addresses, each with the length of its subnet: 10.244.1.1/24
}

// The kinds of things that this package keeps.
const (
	KindBridge kernel.Kind = "bridge"
	KindSysctl kernel.Kind = "sysctl"
	KindGuard  kernel.Kind = "guard"
)

// bridgeAlias marks the bridge as weft's (see package kernel).
const bridgeAlias = "weft pods"

// SetBridge makes the bridge as want says, or puts right what is not so: kind, MAC, MTU, addresses, switches, and that it is up. Addresses
// that others gave it stay. It is idempotent, and may run in many processes at once. A *KindError or a *ForeignError: the name is taken; a
// *GatewayError: another interface has one of the subnets; then nothing was changed.
func (h *Host) SetBridge(want Bridge) (kernel.Changes, error) {
	run := &bridging{host: h, want: want}
	err := run.run()
	return run.changes, err
}

// RemoveBridge takes the bridge away, if there is one. Host ends stay, without a bridge. The errors are those of SetBridge.
func (h *Host) RemoveBridge(name string) error {
	found, err := link(h.nl, name)
	if found == nil || err != nil {
		return err
	}
	if err := taken(found); err != nil {
		return err
	}
	if err := h.nl.LinkDel(found); err != nil && !errors.Is(err, unix.ENODEV) {
		return explain("remove bridge "+name, err)
	}
	return nil
}

// bridging is one run of SetBridge.
type bridging struct {
	host    *Host
	want    Bridge
	changes kernel.Changes
}

func (b *bridging) run() error {
	if err := b.vacant(); err != nil {
		return err
	}
	found, err := b.bridge()
	if err != nil {
		return err
	}
	changed, err := apply(bridgeSysctls(b.want.Name, b.want.Gateways))
	for _, s := range changed {
		b.note(kernel.Changed, KindSysctl, s.String())
	}
	if err == nil {
		err = b.settings(found)
	}
	if err != nil {
		return err
	}
	return b.addresses(found)
}

func (b *bridging) note(op kernel.Op, kind kernel.Kind, what string) {
	b.changes = append(b.changes, kernel.Change{Op: op, Kind: kind, What: what})
}

// vacant reports whether no other interface has an address of the bridge with its subnet: the host reaches the pods of a subnet by one
// interface.
func (b *bridging) vacant() error {
	list, err := dump(func() ([]netlink.Addr, error) { return b.host.nl.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return explain("list addresses", err)
	}
	for _, a := range list {
		if !slices.Contains(b.want.Gateways, prefixOf(a.IPNet)) {
			continue
		}
		other, err := b.host.nl.LinkByIndex(a.LinkIndex)
		if err == nil && other.Attrs().Name != b.want.Name {
			return &GatewayError{b.want.Name, other.Attrs().Name, prefixOf(a.IPNet)}
		}
	}
	return nil
}

// bridge finds the bridge, or makes it. If another process makes it meanwhile, it is that one's.
func (b *bridging) bridge() (netlink.Link, error) {
	found, err := link(b.host.nl, b.want.Name)
	if found == nil && err == nil {
		if found, err = b.add(); err != nil {
			return nil, err
		}
	}
	if err == nil {
		err = taken(found)
	}
	return found, err
}

// taken says whose the interface is that has the bridge's name, if it is not ours: nil, a *KindError or a *ForeignError. Either of MAC and
// alias tells ours: it has the MAC from its first moment on, and one of the two stays where somebody changes the other.
func taken(found netlink.Link) error {
	a := found.Attrs()
	switch {
	case found.Type() != "bridge":
		return &KindError{a.Name, found.Type()}
	case a.Alias != bridgeAlias && !bytes.Equal(a.HardwareAddr, bridgeMAC):
		return &ForeignError{a.Name}
	}
	return nil
}

func (b *bridging) add() (netlink.Link, error) {
	off := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = b.want.Name, bridgeMAC
	err := b.host.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, explain("add bridge "+b.want.Name, err)
	}
	if err == nil {
		b.note(kernel.Added, KindBridge, b.want.Name)
	}
	found, err := link(b.host.nl, b.want.Name)
	if found == nil && err == nil {
		err = explain("add bridge "+b.want.Name, unix.ENODEV) // removed at once by somebody else
	}
	return found, err
}

// settings puts right what is not as wanted of the bridge itself. It gets no link-local address: the kernel sends IPv6 redirects from
// such a one alone (ndisc_send_redirect in net/ipv6/ndisc.c), and nobody else needs it.
func (b *bridging) settings(found netlink.Link) error {
	nl, a := b.host.nl, found.Attrs()
	mtu, err := b.mtu(a)
	if err != nil {
		return err
	}
	on, err := switchedOn(a.Index)
	if err != nil {
		return explain("look at bridge "+b.want.Name, err)
	}
	type step struct {
		wrong bool
		what  string
		set   func() error
	}
	var steps []step
	for _, s := range on {
		steps = append(steps, step{true, s.String(), func() error { return s.off(a.Index) }})
	}
	steps = append(steps,
		step{!bytes.Equal(a.HardwareAddr, bridgeMAC), "MAC " + bridgeMAC.String(), func() error { return nl.LinkSetHardwareAddr(found, bridgeMAC) }},
		step{a.MTU != mtu, fmt.Sprintf("MTU %d", mtu), func() error { return nl.LinkSetMTU(found, mtu) }},
		step{a.Alias == "", "alias " + bridgeAlias, func() error { return nl.LinkSetAlias(found, bridgeAlias) }},
		step{a.Flags&net.FlagUp == 0, "up", func() error { return b.up(found) }})
	for _, s := range steps {
		if !s.wrong {
			continue
		}
		if err := s.set(); err != nil {
			return explain("set "+s.what+" on bridge "+b.want.Name, err)
		}
		b.note(kernel.Changed, KindBridge, b.want.Name+" "+s.what)
	}
	return nil
}

// mtu is the bridge's as it is to be: that of its ports with the lowest, but at most the one that is wanted. A packet that is too long for
// the bridge is fragmented or answered, while a bridge drops without a word what is too long for a port (br_dev_queue_push_xmit in
// net/bridge/br_forward.c). Attach lowers it, so that a bridge that has the wanted one needs no look at its ports.
func (b *bridging) mtu(a *netlink.LinkAttrs) (int, error) {
	mtu := b.want.MTU
	if a.MTU == mtu {
		return mtu, nil
	}
	list, err := dump(b.host.nl.LinkList)
	for _, l := range list {
		if l.Attrs().MasterIndex == a.Index {
			mtu = min(mtu, l.Attrs().MTU)
		}
	}
	return mtu, explain("list interfaces", err)
}

// up sets the bridge up without a link-local address. A kernel without IPv6 knows no such thing.
func (b *bridging) up(found netlink.Link) error {
	err := b.host.nl.LinkSetIP6AddrGenMode(found, nl6AddrGenNone)
	if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return b.host.nl.LinkSetUp(found)
}

// nl6AddrGenNone is IN6_ADDR_GEN_MODE_NONE (linux/if_link.h).
const nl6AddrGenNone = 1

// addresses gives the bridge those of want that it does not have.
func (b *bridging) addresses(found netlink.Link) error {
	have, err := b.host.addresses(found)
	if err != nil {
		return err
	}
	for _, want := range b.want.Gateways {
		if slices.Contains(have, want) {
			continue
		}
		addr := &netlink.Addr{IPNet: ipNet(want)}
		if want.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := b.host.nl.AddrReplace(found, addr); err != nil {
			return explain(fmt.Sprintf("add address %s to bridge %s", want, b.want.Name), err)
		}
		b.note(kernel.Added, KindBridge, fmt.Sprintf("%s address %s", b.want.Name, want))
	}
	return await("use the addresses of bridge "+b.want.Name, func() bool { // another process may just have added them
		return !slices.ContainsFunc(b.want.Gateways, func(g netip.Prefix) bool { return !usable(b.host.nl, g.Addr()) })
	})
}

func (h *Host) addresses(of netlink.Link) ([]netip.Prefix, error) { return addressesOf(h.nl, of) }

func addressesOf(nl *netlink.Handle, of netlink.Link) ([]netip.Prefix, error) {
	list, err := dump(func() ([]netlink.Addr, error) { return nl.AddrList(of, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, explain("list addresses of "+of.Attrs().Name, err)
	}
	prefixes := make([]netip.Prefix, len(list))
	for i, a := range list {
		prefixes[i] = prefixOf(a.IPNet)
	}
	return prefixes, nil
}
