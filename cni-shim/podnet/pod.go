package podnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Pod is an interface of a pod as it is wanted.
type Pod struct {
	NetNS      string       // path of the pod's namespace
	IfName     string       // name of the pod end
	HostEnd    string       // name of the host end, from HostEnd
	Bridge     string       // the bridge that the host end is a port of
	Addrs      []netip.Addr // the first of IPv4, else of IPv6, gives the MAC
	Gateways   []netip.Addr // for each of Addrs its own, in the same order
	MTU        int          // bytes
	GSOMaxSize int          // the longest superpacket of either end, in bytes; 0: as the kernel has it
	Guarded    bool         // the guard knows the host end; else the port is isolated from others
	Hairpin    bool         // frames may leave by the port that they came in by, if it is not isolated
}

// MAC is that of the pod end.
func (p Pod) MAC() net.HardwareAddr { return MAC(p.Addrs) }

func (p Pod) ipv6() bool {
	for _, a := range p.Addrs {
		if a.Is6() {
			return true
		}
	}
	return false
}

// Route is one of a pod: without Via it is on the link.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// Routes are those inside the pod: each gateway lies behind the interface, and everything else behind the first gateway of its family.
func (p Pod) Routes() (list []Route) {
	for i, g := range p.Gateways {
		if !slices.Contains(p.Gateways[:i], g) {
			list = append(list, Route{To: single(g)})
		}
		if !hasFamily(p.Gateways[:i], g.Is4()) {
			list = append(list, Route{To: netip.PrefixFrom(g, 0).Masked(), Via: g})
		}
	}
	return list
}

// routes are Routes by the interface with this index, as the kernel takes them.
func (p Pod) routes(index int) (list []netlink.Route) {
	for _, r := range p.Routes() {
		k := netlink.Route{LinkIndex: index, Family: family(r.To.Addr()), Dst: ipNet(r.To), Protocol: unix.RTPROT_STATIC}
		if k.Gw = r.Via.AsSlice(); k.Gw == nil {
			k.Scope = netlink.SCOPE_LINK
		}
		list = append(list, k)
	}
	return list
}

// neighbours are the entries inside the pod: the MAC of the gateways, for good.
func (p Pod) neighbours(index int) []netlink.Neigh {
	var list []netlink.Neigh
	for _, g := range p.Gateways {
		list = append(list, permanent(index, g, bridgeMAC))
	}
	return list
}

// hostNeighbours are those of the host: the pod's MAC for each of its addresses.
func (p Pod) hostNeighbours(bridge int) []netlink.Neigh {
	var list []netlink.Neigh
	for _, a := range p.Addrs {
		list = append(list, permanent(bridge, a, p.MAC()))
	}
	return list
}

func permanent(index int, a netip.Addr, mac net.HardwareAddr) netlink.Neigh {
	return netlink.Neigh{LinkIndex: index, Family: family(a), State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: mac}
}

// bridgePort is the entry of the bridge's table that leads to a pod. NUD_NOARP is what bridge(8) calls static.
func bridgePort(port int, mac net.HardwareAddr) netlink.Neigh {
	return netlink.Neigh{LinkIndex: port, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_NOARP, HardwareAddr: mac}
}

// validate checks the shape of a pod, so that a slip is named here and not by an errno.
func (p Pod) validate() error {
	if p.IfName == "" || p.HostEnd == "" || p.Bridge == "" || len(p.Addrs) == 0 {
		return errors.New("podnet: a pod needs two names, a bridge and an address")
	}
	for _, a := range p.Addrs {
		if !a.IsValid() || a.Is4In6() || !hasFamily(p.Gateways, a.Is4()) {
			return fmt.Errorf("podnet: address %s of a pod is none, or has no gateway", a)
		}
	}
	return nil
}

func hasFamily(list []netip.Addr, ipv4 bool) bool {
	for _, a := range list {
		if a.Is4() == ipv4 {
			return true
		}
	}
	return false
}

// podAddress is the request form of a pod's address: no subnet with it, no route, and no duplicate detection, so that it can be used at
// once; the address book sees to it that nobody else has it.
func podAddress(a netip.Addr) *netlink.Addr {
	flags := 0
	if a.Is6() {
		flags = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD
	}
	return &netlink.Addr{IPNet: ipNet(single(a)), Flags: flags}
}
