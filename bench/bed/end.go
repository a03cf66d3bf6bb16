package bed

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// The addressing of every bed.
var (
	network = netip.MustParsePrefix("10.90.0.0/16")
	subnetA = netip.MustParsePrefix("10.90.1.0/24")
	subnetB = netip.MustParsePrefix("10.90.2.0/24")
)

const (
	podNumber = 10    // 10.90.1.10
	podName   = "pod" // the namespaces are a-pod and b-pod
	cable     = "eth0"
)

// end is one side of a connection: a host, its subnet, and what is on the other side.
type end struct {
	host, peer         *lab.Host
	subnet, peerSubnet netip.Prefix
}

// ends are those of a and of b, in this order.
func (b *Bed) ends() [2]end {
	return [2]end{
		{host: b.A, peer: b.B, subnet: subnetA, peerSubnet: subnetB},
		{host: b.B, peer: b.A, subnet: subnetB, peerSubnet: subnetA},
	}
}

// links calls fn with a netlink socket inside the host's namespace.
func (e end) links(fn func(*netlink.Handle) error) error { return links(e.host.Namespace, fn) }

// links calls fn with a netlink socket inside a namespace.
func links(n *lab.Namespace, fn func(*netlink.Handle) error) error {
	return n.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open netlink in %s: %w", n.Name(), err)
		}
		defer h.Close()
		return fn(h)
	})
}

// routeThrough brings a tunnel's interface up and sends the other side's subnet through it. The interface gets the address
// that Flannel gives its own: the subnet's first, alone.
func (e end) routeThrough(h *netlink.Handle, device string) error {
	link, err := e.bringUp(h, device)
	if err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(e.peerSubnet), Scope: netlink.SCOPE_LINK}
	if err := h.RouteReplace(route); err != nil {
		return fmt.Errorf("route %s to %s on %s: %w", e.peerSubnet, device, e.host.Name(), err)
	}
	return nil
}

// bringUp gives an interface its address and sets it up.
func (e end) bringUp(h *netlink.Handle, device string) (netlink.Link, error) {
	link, err := h.LinkByName(device)
	if err != nil {
		return nil, fmt.Errorf("find %s on %s: %w", device, e.host.Name(), err)
	}
	own := netip.PrefixFrom(e.subnet.Addr(), e.subnet.Addr().BitLen())
	if err := h.AddrReplace(link, &netlink.Addr{IPNet: ipNet(own)}); err != nil {
		return nil, fmt.Errorf("add %s to %s on %s: %w", own, device, e.host.Name(), err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("set %s up on %s: %w", device, e.host.Name(), err)
	}
	return link, nil
}

// podAddr is the address of a subnet's pod.
func podAddr(subnet netip.Prefix) netip.Prefix {
	raw := subnet.Addr().As4()
	raw[3] = podNumber
	return netip.PrefixFrom(netip.AddrFrom4(raw), subnet.Bits())
}

// hostAddr is a host's own address in its subnet, that of the pods' bridge: 10.90.1.1.
func hostAddr(subnet netip.Prefix) netip.Addr { return subnet.Addr().Next() }

// ipNet is the form of a prefix that netlink takes.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
