package podnet

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Host is the network namespace of the host, which has the bridge and the host ends.
type Host struct {
	nl *netlink.Handle
}

// Open opens the network namespace of the calling thread. Close it.
func Open() (*Host, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, explain("open netlink", err)
	}
	return &Host{nl}, nil
}

// Close closes the socket.
func (h *Host) Close() { h.nl.Close() }

// link finds an interface; nil if there is none of that name.
func link(nl *netlink.Handle, name string) (netlink.Link, error) {
	found, err := nl.LinkByName(name)
	if notFound := (netlink.LinkNotFoundError{}); errors.As(err, &notFound) || errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	return found, explain("find interface "+name, err)
}

// HostEnds lists the host ends that are ports of the bridge, by their names. Where there is no bridge, there are none.
func (h *Host) HostEnds(bridge string) ([]string, error) {
	master, err := link(h.nl, bridge)
	if master == nil {
		return nil, err
	}
	list, err := dump(h.nl.LinkList)
	if err != nil {
		return nil, explain("list interfaces", err)
	}
	var names []string
	for _, l := range list {
		if a := l.Attrs(); a.MasterIndex == master.Attrs().Index && strings.HasPrefix(a.Name, hostEndPrefix) {
			names = append(names, a.Name)
		}
	}
	return names, nil
}

// Interfaces names all interfaces of the host's namespace.
func (h *Host) Interfaces() (map[string]bool, error) {
	list, err := dump(h.nl.LinkList)
	if err != nil {
		return nil, explain("list interfaces", err)
	}
	names := make(map[string]bool, len(list))
	for _, l := range list {
		names[l.Attrs().Name] = true
	}
	return names, nil
}

// dumpTries is how often a list is asked for again that changed while the kernel wrote it.
const dumpTries = 5

// dump asks for a list until it is a consistent one; if it never is, it returns the last one with the error.
func dump[T any](ask func() ([]T, error)) (list []T, err error) {
	for range dumpTries {
		if list, err = ask(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return list, err
		}
	}
	return list, err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), bits)
}

// family is AF_INET or AF_INET6.
func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
