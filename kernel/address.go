package kernel

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// address is an address of an interface.
type address struct {
	prefix netip.Prefix // the address with the prefix length of its subnet, not masked
	link   int
	flags  int // unix.IFA_F_*
	global bool
	raw    netlink.Addr
}

func addressFrom(n netlink.Addr) (a address, ok bool) {
	prefix, ok := prefixFrom(n.IPNet)
	return address{
		prefix: prefix,
		link:   n.LinkIndex,
		flags:  n.Flags,
		global: n.Scope == unix.RT_SCOPE_UNIVERSE || n.Scope == unix.RT_SCOPE_SITE,
		raw:    n,
	}, ok
}

// usable reports whether the kernel takes the address as a source, and will for long.
func (a address) usable() bool {
	const not = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED
	return a.global && a.flags&not == 0 && a.prefix.Addr().IsGlobalUnicast()
}

// temporary reports whether the address is a privacy address of IPv6 (RFC 8981), which changes daily. IPv4 has the same
// flag with another meaning (secondary).
func (a address) temporary() bool { return a.prefix.Addr().Is6() && a.flags&unix.IFA_F_TEMPORARY != 0 }

// addresses lists the addresses of all interfaces.
func (h *Host) addresses() ([]address, error) {
	list, err := dump(func() ([]netlink.Addr, error) { return h.nl.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, explain("list addresses", err)
	}
	all := make([]address, 0, len(list))
	for _, n := range list {
		if a, ok := addressFrom(n); ok {
			all = append(all, a)
		}
	}
	return all, nil
}

// overlayAddress is the request form of an overlay address: no subnet with it, no prefix route, no duplicate detection (the
// cluster decides who owns it, and nobody answers on a TUN device).
func overlayAddress(addr netip.Addr) *netlink.Addr {
	flags := unix.IFA_F_NOPREFIXROUTE
	if addr.Is6() {
		flags |= unix.IFA_F_NODAD
	}
	return &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(addr, addr.BitLen())), Flags: flags}
}
