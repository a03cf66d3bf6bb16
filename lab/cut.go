package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// cut is a pair of hosts that do not hear each other; a comes before b in the order of their making.
type cut struct {
	a, b *Host
}

// newCut orders the pair, so that it is the same cut from both sides. The lab's lock is held.
func (l *Lab) newCut(a, b *Host) (cut, error) {
	i, j := slices.Index(l.hosts, a), slices.Index(l.hosts, b)
	if err := l.open("cut"); err != nil {
		return cut{}, err
	}
	if i < 0 || j < 0 || i == j {
		return cut{}, errors.New("lab: cut: want two hosts of this lab")
	}
	if i > j {
		a, b = b, a
	}
	return cut{a, b}, nil
}

// Cut makes two hosts lose all packets that they send to each other's underlay addresses, silently, as a firewall between two
// sites does; both still reach the others. It needs no firewall of the kernel: each gets a permanent neighbour entry for the
// other's addresses that leads into the switch. Broadcast and link-local addresses still pass.
func (l *Lab) Cut(a, b *Host) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, err := l.newCut(a, b)
	if err != nil {
		return err
	}
	l.cuts[c] = true
	return errors.Join(a.block(b.addrs), b.block(a.addrs))
}

// Heal undoes Cut. Two hosts that are not cut are left as they are.
func (l *Lab) Heal(a, b *Host) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, err := l.newCut(a, b)
	if err != nil || !l.cuts[c] {
		return err
	}
	delete(l.cuts, c)
	return errors.Join(a.unblock(b.addrs), b.unblock(a.addrs))
}

// cutFrom are the hosts that a host is cut from. The lock is held.
func (l *Lab) cutFrom(h *Host) []*Host {
	var others []*Host
	for c := range l.cuts {
		switch h {
		case c.a:
			others = append(others, c.b)
		case c.b:
			others = append(others, c.a)
		}
	}
	return others
}

// block sends what the host has for the addresses into the switch.
func (h *Host) block(addrs []netip.Prefix) error {
	for _, addr := range plainAddrs(addrs) {
		if err := h.links.NeighSet(h.blackhole(addr)); err != nil {
			return fmt.Errorf("lab: cut %s from %s: %w", h.name, addr, err)
		}
	}
	return nil
}

// unblock lets the host ask for the addresses again.
func (h *Host) unblock(addrs []netip.Prefix) error {
	for _, addr := range plainAddrs(addrs) {
		if err := h.links.NeighDel(h.blackhole(addr)); err != nil {
			return fmt.Errorf("lab: heal %s to %s: %w", h.name, addr, err)
		}
	}
	return nil
}

// blackhole is the neighbour entry of an address that a host is cut from.
func (h *Host) blackhole(addr netip.Addr) *netlink.Neigh {
	return &netlink.Neigh{
		LinkIndex:    h.link.Attrs().Index,
		Family:       family(addr),
		State:        netlink.NUD_PERMANENT,
		IP:           addr.AsSlice(),
		HardwareAddr: hubMAC,
	}
}
