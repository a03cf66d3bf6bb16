package between

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Names of paths.
const (
	Overlay  = "overlay"
	Underlay = "underlay"
	Direct   = "direct" // whatever the kernel's routes are; no daemon was asked, or it does not know the host
)

// Path is one way to the other machine.
type Path struct {
	Name        string     `json:"name"`
	Address     netip.Addr `json:"address,omitzero"`      // of the other machine
	Device      string     `json:"device,omitempty"`      // by which packets leave this one
	MTU         int        `json:"mtu,omitempty"`         // bytes, of that device
	Unavailable string     `json:"unavailable,omitempty"` // why nothing was measured over it
	TCP         string     `json:"tcp,omitempty"`         // why nothing was measured with TCP
	UDP         string     `json:"udp,omitempty"`         // why nothing was measured with UDP
}

// newPath looks up by which device addr is reached. A path without route is unavailable.
func newPath(name string, addr netip.Addr) *Path {
	p := &Path{Name: name, Address: addr}
	link, err := linkTo(addr)
	if err != nil {
		p.Unavailable = err.Error()
		return p
	}
	p.Device, p.MTU = link.Name, link.MTU
	return p
}

// linkTo is the device that the kernel's routes choose for addr.
func linkTo(addr netip.Addr) (*netlink.LinkAttrs, error) {
	routes, err := netlink.RouteGet(addr.AsSlice())
	if err != nil {
		return nil, fmt.Errorf("no route to %s: %w", addr, err)
	}
	for _, r := range routes {
		if r.LinkIndex == 0 {
			continue
		}
		link, err := netlink.LinkByIndex(r.LinkIndex)
		if err != nil {
			return nil, fmt.Errorf("route to %s: %w", addr, err)
		}
		return link.Attrs(), nil
	}
	return nil, fmt.Errorf("no route to %s", addr)
}

// closed says why a protocol cannot be measured over the path; empty: it can.
func (p *Path) closed(protocol string) string {
	if protocol == "udp" {
		return cmp.Or(p.Unavailable, p.UDP)
	}
	return cmp.Or(p.Unavailable, p.TCP)
}
