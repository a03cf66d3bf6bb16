package podnet

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Check compares the bridge and a pod's interface with what is wanted, and changes nothing. A *BrokenError lists everything that is not
// so. Of an MTU or gso_max_size of 0 both ends of the pod are to have the same; the MTU of the bridge is not compared. An error that wraps
// ErrNoNamespace says that the pod is gone; any other, that the kernel could not be asked.
func (h *Host) Check(b Bridge, p Pod) error {
	if err := p.validate(); err != nil {
		return err
	}
	c := &check{host: h, Pod: p}
	steps := []func() error{func() error { return c.bridge(b) }, c.hostEnd, c.inPod}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if len(c.faults) > 0 {
		return &BrokenError{c.faults}
	}
	return nil
}

// check is one run of Check. Its steps go on where something is missing that the next does not need.
type check struct {
	Pod
	host   *Host
	master netlink.Link // the bridge; nil: there is none
	port   netlink.Link // the host end; nil: there is none
	faults []string
}

func (c *check) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// bridge looks at the bridge itself.
func (c *check) bridge(want Bridge) (err error) {
	if c.master, err = link(c.host.nl, want.Name); err != nil {
		return err
	}
	if c.master == nil {
		c.fault("bridge %s is gone", want.Name)
		return nil
	}
	a := c.master.Attrs()
	if a.Flags&net.FlagUp == 0 {
		c.fault("bridge %s is down", want.Name)
	}
	if !bytes.Equal(a.HardwareAddr, bridgeMAC) {
		c.fault("bridge %s has MAC %s, not %s", want.Name, a.HardwareAddr, bridgeMAC)
	}
	have, err := c.host.addresses(c.master)
	if err != nil {
		return err
	}
	for _, g := range want.Gateways {
		if !slices.ContainsFunc(have, func(p netip.Prefix) bool { return p.Addr() == g.Addr() }) { // a subnet that grew is no fault
			c.fault("bridge %s does not have address %s", want.Name, g.Addr())
		}
	}
	c.switches(bridgeSysctls(want.Name, want.Gateways), "")
	on, err := switchedOn(a.Index)
	for _, s := range on {
		c.fault("bridge %s has %s on", want.Name, s.name)
	}
	return explain("look at bridge "+want.Name, err)
}

func (c *check) switches(list []sysctl, where string) {
	for _, s := range list {
		if now, ok := s.holds(); !ok {
			c.fault("%s%s is %q, not %s", where, s, now, s.value)
		}
	}
}

// hostEnd looks at the host end as an interface and as a port, and at what host and bridge know of the pod.
func (c *check) hostEnd() (err error) {
	if c.port, err = link(c.host.nl, c.HostEnd); err != nil {
		return err
	}
	if c.port == nil {
		c.fault("the host end %s is gone", c.HostEnd)
		return nil
	}
	a := c.port.Attrs()
	if a.Flags&net.FlagUp == 0 {
		c.fault("the host end %s is down", c.HostEnd)
	}
	if c.MTU != 0 && a.MTU != c.MTU {
		c.fault("the host end %s has MTU %d, not %d", c.HostEnd, a.MTU, c.MTU)
	}
	c.switches(hostEndSysctls(c.HostEnd), "")
	if c.master == nil {
		return nil
	}
	if a.MasterIndex != c.master.Attrs().Index {
		c.fault("the host end %s is no port of bridge %s", c.HostEnd, c.Bridge)
	} else if err := c.asPort(); err != nil {
		return err
	}
	return c.known()
}

// asPort looks at the switches of the port, but for its isolation, which Guard.Check looks at.
func (c *check) asPort() error {
	ports, err := hostPorts(c.Bridge)
	if err != nil {
		return err
	}
	want := podPort(false, true)
	delete(want, nl.IFLA_BRPORT_ISOLATED)
	if !c.Hairpin {
		delete(want, nl.IFLA_BRPORT_MODE)
	}
	for _, p := range ports {
		if p.name != c.HostEnd {
			continue
		}
		if !p.forwards {
			c.fault("port %s of bridge %s carries no frames", c.HostEnd, c.Bridge)
		}
		for _, f := range p.flags.differ(want) {
			c.fault("port %s of bridge %s: %s is %t, not %t", c.HostEnd, c.Bridge, flagNames[f], p.flags[f], want[f])
		}
	}
	return nil
}

// known looks for the pod's MAC in the bridge's table and among the host's neighbours.
func (c *check) known() error {
	fdb, err := neighbours(c.host.nl, c.port, unix.AF_BRIDGE)
	if err != nil {
		return err
	}
	want := bridgePort(c.port.Attrs().Index, c.MAC())
	if !slices.ContainsFunc(fdb, func(n netlink.Neigh) bool {
		return bytes.Equal(n.HardwareAddr, want.HardwareAddr) && n.State&want.State != 0
	}) {
		c.fault("bridge %s does not know that %s is behind port %s", c.Bridge, c.MAC(), c.HostEnd)
	}
	return c.neighbours(c.host.nl, c.master, c.hostNeighbours(c.master.Attrs().Index), "the host")
}

// neighbours looks for permanent entries.
func (c *check) neighbours(nl *netlink.Handle, of netlink.Link, wanted []netlink.Neigh, who string) error {
	for _, want := range wanted {
		have, err := neighbours(nl, of, want.Family)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(have, func(n netlink.Neigh) bool {
			return n.IP.Equal(want.IP) && bytes.Equal(n.HardwareAddr, want.HardwareAddr) && n.State == want.State
		}) {
			c.fault("%s has no permanent neighbour entry %s with MAC %s", who, want.IP, want.HardwareAddr)
		}
	}
	return nil
}

func neighbours(nl *netlink.Handle, of netlink.Link, family int) ([]netlink.Neigh, error) {
	list, err := dump(func() ([]netlink.Neigh, error) { return nl.NeighList(of.Attrs().Index, family) })
	return list, explain("list neighbours of "+of.Attrs().Name, err)
}

// inPod looks at the pod end, from inside the pod's namespace.
func (c *check) inPod() error {
	pod, err := openNamespace(c.NetNS)
	if err != nil {
		return err
	}
	defer pod.Close()
	return inPod(pod, c.podEnd)
}

func (c *check) podEnd(nl *netlink.Handle) error {
	end, err := link(nl, c.IfName)
	if err != nil {
		return err
	}
	if end == nil {
		c.fault("the pod's interface %s is gone", c.IfName)
		return nil
	}
	c.podLink(end)
	have, err := addressesOf(nl, end)
	if err != nil {
		return err
	}
	for _, addr := range c.Addrs {
		if !slices.Contains(have, single(addr)) {
			c.fault("the pod does not have address %s", addr)
		}
	}
	c.switches(podSysctls(c.IfName, c.ipv6()), "in the pod ")
	if err := c.podRoutes(nl, end); err != nil {
		return err
	}
	return c.neighbours(nl, end, c.Pod.neighbours(end.Attrs().Index), "the pod")
}

func (c *check) podLink(end netlink.Link) {
	a := end.Attrs()
	if end.Type() != "veth" || c.port != nil && a.ParentIndex != c.port.Attrs().Index {
		c.fault("the pod's interface %s does not lead to %s", c.IfName, c.HostEnd)
	}
	if a.Flags&net.FlagUp == 0 {
		c.fault("the pod's interface %s is down", c.IfName)
	}
	if !bytes.Equal(a.HardwareAddr, c.MAC()) {
		c.fault("the pod's interface %s has MAC %s, not %s", c.IfName, a.HardwareAddr, c.MAC())
	}
	c.podSizes(a)
}

// podSizes compares MTU and gso_max_size with what is wanted, else with the host end's, which was made alike.
func (c *check) podSizes(a *netlink.LinkAttrs) {
	mtu, gso := c.MTU, uint32(c.GSOMaxSize)
	if c.port != nil {
		mtu, gso = cmp.Or(mtu, c.port.Attrs().MTU), cmp.Or(gso, c.port.Attrs().GSOMaxSize)
	}
	if mtu != 0 && a.MTU != mtu {
		c.fault("the pod's interface %s has MTU %d, not %d", c.IfName, a.MTU, mtu)
	}
	if gso != 0 && a.GSOMaxSize != gso {
		c.fault("the pod's interface %s has gso_max_size %d, not %d", c.IfName, a.GSOMaxSize, gso)
	}
}

// podRoutes looks for the routes that Attach made.
func (c *check) podRoutes(nl *netlink.Handle, end netlink.Link) error {
	index := end.Attrs().Index
	have, err := routesOf(nl, index, unix.RT_TABLE_MAIN)
	if err != nil {
		return err
	}
	for _, want := range c.routes(index) {
		if !hasRoute(have, want) {
			c.fault("the pod has no route %s", routeText(want, c.IfName))
		}
	}
	return c.podLater(nl, index, have)
}

// routesOf are the routes by an interface in one table.
func routesOf(nl *netlink.Handle, index, table int) ([]netlink.Route, error) {
	only := &netlink.Route{LinkIndex: index, Table: table}
	list, err := dump(func() ([]netlink.Route, error) {
		return nl.RouteListFiltered(netlink.FAMILY_ALL, only, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	})
	return list, explain("list the pod's routes", err)
}

// hasRoute compares where routes lead to and by which gateway.
func hasRoute(list []netlink.Route, want netlink.Route) bool {
	return slices.ContainsFunc(list, func(r netlink.Route) bool {
		return prefixOf(r.Dst) == prefixOf(want.Dst) && r.Gw.Equal(want.Gw)
	})
}

func routeText(r netlink.Route, device string) string {
	var text strings.Builder
	dst := prefixOf(r.Dst)
	if dst.Bits() == 0 {
		text.WriteString("default")
	} else {
		text.WriteString(dst.String())
	}
	if addr, ok := netip.AddrFromSlice(r.Gw); ok {
		text.WriteString(" via " + addr.Unmap().String())
	}
	return text.String() + " dev " + device
}
