package bed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// What Flannel uses on Linux (Documentation/backends.md): the kernel's own default port is not IANA's 4789.
const (
	vxlanDevice   = "flannel.1"
	vxlanID       = 1
	vxlanPort     = 8472
	vxlanOverhead = 50 // IPv4 20, UDP 8, VXLAN 8, Ethernet 14 (RFC 7348)
)

// vxlan is the kernel's VXLAN, set up as Flannel's backend of that name does (pkg/backend/vxlan): no learning, and for the
// other host one permanent entry each in the forwarding database, among the neighbours and in the routes.
type vxlan struct{}

// Name is "vxlan".
func (vxlan) Name() string { return "vxlan" }

// About says what it is.
func (vxlan) About() string { return "kernel VXLAN, set up as Flannel does" }

// Overhead is what VXLAN adds over IPv4.
func (vxlan) Overhead() int { return vxlanOverhead }

// Unavailable asks the kernel for such an interface.
func (vxlan) Unavailable(ctx context.Context) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = vxlanDevice
	return lacksLinkType(ctx, &netlink.Vxlan{LinkAttrs: attrs, VxlanId: vxlanID, Port: vxlanPort})
}

// Up makes both interfaces first, since each side needs the other's MAC address.
func (vxlan) Up(_ context.Context, b *Bed) (Running, error) {
	var vteps [2]net.HardwareAddr
	for i, e := range b.ends() {
		mac, err := e.addVxlan(b.MTU() - vxlanOverhead)
		if err != nil {
			return nil, fmt.Errorf("make %s on %s: %w", vxlanDevice, e.host.Name(), err)
		}
		vteps[i] = mac
	}
	for i, e := range b.ends() {
		if err := e.routeVxlan(vteps[1-i]); err != nil {
			return nil, fmt.Errorf("route %s through %s on %s: %w", e.peerSubnet, vxlanDevice, e.host.Name(), err)
		}
	}
	details := map[string]string{
		"vni": strconv.Itoa(vxlanID), "port": strconv.Itoa(vxlanPort), "learning": "off", "device": vxlanDevice,
	}
	return inKernel{details}, b.makePods(b.MTU() - vxlanOverhead)
}

// addVxlan makes the host's interface with its address and returns its MAC address, which the kernel chooses.
func (e end) addVxlan(mtu int) (mac net.HardwareAddr, err error) {
	err = e.links(func(h *netlink.Handle) error {
		egress, err := h.LinkByName(cable)
		if err != nil {
			return fmt.Errorf("find %s: %w", cable, err)
		}
		link := &netlink.Vxlan{
			LinkAttrs:    netlink.LinkAttrs{Name: vxlanDevice, MTU: mtu}, // Flannel leaves the queue length at 0 as well
			VxlanId:      vxlanID,
			VtepDevIndex: egress.Attrs().Index,
			SrcAddr:      e.host.Addr4().AsSlice(),
			Port:         vxlanPort,
		}
		if err := h.LinkAdd(link); err != nil {
			return err
		}
		made, err := e.bringUp(h, vxlanDevice)
		if err == nil {
			mac = made.Attrs().HardwareAddr
		}
		return err
	})
	return mac, err
}

// routeVxlan tells the host where the other one's subnet is, given the MAC address of the interface there.
func (e end) routeVxlan(peer net.HardwareAddr) error {
	return e.links(func(h *netlink.Handle) error {
		link, err := h.LinkByName(vxlanDevice)
		if err != nil {
			return fmt.Errorf("find %s: %w", vxlanDevice, err)
		}
		index, vtep := link.Attrs().Index, e.peerSubnet.Addr().AsSlice()
		return errors.Join(
			h.NeighSet(&netlink.Neigh{
				LinkIndex: index, State: netlink.NUD_PERMANENT, Type: unix.RTN_UNICAST, IP: vtep, HardwareAddr: peer,
			}),
			h.NeighSet(&netlink.Neigh{
				LinkIndex: index, State: netlink.NUD_PERMANENT, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF,
				IP: e.peer.Addr4().AsSlice(), HardwareAddr: peer,
			}),
			h.RouteReplace(&netlink.Route{
				LinkIndex: index, Dst: ipNet(e.peerSubnet), Gw: vtep, Flags: int(netlink.FLAG_ONLINK),
			}),
		)
	})
}
