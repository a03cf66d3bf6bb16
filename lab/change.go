package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Isolate pulls the host's cable: its eth0 loses the carrier and keeps its addresses. Pods stay connected to their host.
func (h *Host) Isolate() error {
	return h.setPort(false)
}

// Rejoin plugs the cable in again.
func (h *Host) Rejoin() error {
	return h.setPort(true)
}

// setPort sets the host's port of the switch up or down.
func (h *Host) setPort(up bool) error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if err := h.lab.open("plug " + h.name); err != nil {
		return err
	}
	plug := h.lab.hub.Namespace
	if h.nat != nil {
		plug = h.nat.Namespace
	}
	if up {
		return plug.up(h.port)
	}
	return plug.down(h.port)
}

// down sets an interface down.
func (n *Namespace) down(name string) error {
	link, err := n.link(name)
	if err != nil {
		return err
	}
	if err := n.links.LinkSetDown(link); err != nil {
		return fmt.Errorf("lab: set %s down in %s: %w", name, n.name, err)
	}
	return nil
}

// ChangeAddress gives the host other underlay addresses in place of those that it has, as a new DHCP lease does: the given
// ones, which must lie in the underlay and be free, or else the next free one of each family. What was cut stays cut.
func (h *Host) ChangeAddress(addrs ...netip.Addr) error {
	l := h.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.open("change address of "+h.name), l.checkAddrs(addrs)); err != nil {
		return err
	}
	if h.nat != nil {
		return fmt.Errorf("lab: change address of %s: it is behind %s", h.name, h.nat.name)
	}
	if len(addrs) == 0 {
		free, err := l.freeAddrs()
		if err != nil {
			return err
		}
		addrs = free
	}
	if err := h.exchange(addrs); err != nil {
		return err
	}
	l.say("host %s: %s", h.name, joined(h.addrs))
	return nil
}

// checkAddrs refuses addresses that are outside the underlay or taken. The lock is held.
func (l *Lab) checkAddrs(addrs []netip.Addr) error {
	for i, addr := range addrs {
		if !underlay4.Contains(addr) && !underlay6.Contains(addr) {
			return fmt.Errorf("lab: address %s: want one of %s or %s", addr, underlay4, underlay6)
		}
		if l.used(addr) || slices.Contains(addrs[:i], addr) {
			return fmt.Errorf("lab: address %s is taken", addr)
		}
	}
	return nil
}

// exchange replaces the host's addresses, and the entries of those that are cut from it. The lab's lock is held.
func (h *Host) exchange(addrs []netip.Addr) error {
	old := h.addrs
	for _, other := range h.lab.cutFrom(h) {
		if err := other.unblock(old); err != nil {
			return err
		}
	}
	var err error
	for _, prefix := range old {
		err = errors.Join(err, h.removeAddress(h.link, prefix))
	}
	h.addrs = nil
	for _, addr := range addrs {
		err = errors.Join(err, h.addAddr(addr))
	}
	for _, via := range h.defaults { // the kernel dropped them with the address
		err = errors.Join(err, h.setDefault(h.link, via))
	}
	for _, other := range h.lab.cutFrom(h) {
		err = errors.Join(err, other.block(h.addrs))
	}
	return err
}

// SetDefaultRoute makes a host of the underlay this host's default route. Hosts have none unless this is called, and even so
// nothing leaves the machine: the underlay ends at its switch.
func (h *Host) SetDefaultRoute(via netip.Addr) error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if err := h.lab.open("default route of " + h.name); err != nil {
		return err
	}
	if err := h.setDefault(h.link, via); err != nil {
		return err
	}
	h.defaults = append(h.defaults, via)
	return nil
}
