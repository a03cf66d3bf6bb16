package podnet

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
)

// BridgeState is how the bridge of a name stands.
type BridgeState struct {
	Ours      bool           // it exists, and is weft's
	Taken     error          // a *KindError or a *ForeignError: the name is somebody else's; nil: it is not
	Addresses []netip.Prefix // of a bridge that is ours, but for link-local ones
}

// Bridge looks at the bridge of a name, and changes nothing.
func (h *Host) Bridge(name string) (BridgeState, error) {
	found, err := link(h.nl, name)
	if found == nil || err != nil {
		return BridgeState{}, err
	}
	if err := taken(found); err != nil {
		return BridgeState{Taken: err}, nil
	}
	s := BridgeState{Ours: true}
	all, err := h.addresses(found)
	for _, p := range all {
		if !p.Addr().IsLinkLocalUnicast() {
			s.Addresses = append(s.Addresses, p)
		}
	}
	return s, err
}

// DropGateway takes an address off the bridge. That there is no such bridge or address is no error.
func (h *Host) DropGateway(bridge string, address netip.Prefix) error {
	found, err := link(h.nl, bridge)
	if found == nil || err != nil || taken(found) != nil {
		return err
	}
	have, err := h.addresses(found)
	if err != nil {
		return err
	}
	for _, p := range have {
		if p == address {
			return explain("remove address "+address.String()+" of bridge "+bridge, h.nl.AddrDel(found, &netlink.Addr{IPNet: ipNet(address)}))
		}
	}
	return nil
}

// HostEndState is how a host end stands.
type HostEndState struct {
	Master string // the bridge that it is a port of; empty: of none
	Up     bool   // which Attach makes it last
}

// HostEndStates lists all host ends, by their names.
func (h *Host) HostEndStates() (map[string]HostEndState, error) {
	list, err := dump(h.nl.LinkList)
	if err != nil {
		return nil, explain("list interfaces", err)
	}
	names := make(map[int]string, len(list))
	for _, l := range list {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	states := map[string]HostEndState{}
	for _, l := range list {
		if a := l.Attrs(); strings.HasPrefix(a.Name, hostEndPrefix) && l.Type() == "veth" {
			states[a.Name] = HostEndState{Master: names[a.MasterIndex], Up: a.Flags&net.FlagUp != 0}
		}
	}
	return states, nil
}

// Replug makes the host end of a pod a port of the bridge again, after somebody removed the bridge or took the port out of it. It is
// isolated unless p says that it is guarded; Guard.Set finds out. The pod's own namespace is not entered. Of p it takes HostEnd, Bridge,
// Addrs, Guarded and Hairpin.
func (h *Host) Replug(p Pod) error {
	if p.HostEnd == "" || p.Bridge == "" || len(p.Addrs) == 0 {
		return errors.New("podnet: replug a pod: it needs a host end, a bridge and an address")
	}
	_, err := (&attachment{Pod: p, host: h.nl}).plug()
	return err
}

// GSOMaxSize is the longest superpacket that the kernel gives a device, in bytes; 0: there is no such device, or the kernel does not say.
func (h *Host) GSOMaxSize(device string) (int, error) {
	found, err := link(h.nl, device)
	if found == nil || err != nil {
		return 0, err
	}
	return int(found.Attrs().GSOMaxSize), nil
}
