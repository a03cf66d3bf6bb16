package podnet

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Gone names what Detach is to remove.
type Gone struct {
	HostEnd string
	Bridge  string
	Addrs   []netip.Addr // those of the pod, if they are known
	NetNS   string       // path of the pod's namespace, if it is known and there still
	IfName  string       // the pod end
}

// Disable sets a host end down, so that its port carries nothing any more. One that is not there is no error.
func (h *Host) Disable(hostEnd string) error {
	found, err := link(h.nl, hostEnd)
	if found == nil || err != nil {
		return err
	}
	if err := h.nl.LinkSetDown(found); err != nil && !errors.Is(err, unix.ENODEV) {
		return explain("set "+hostEnd+" down", err)
	}
	return nil
}

// Detach removes a pod's interface and what the host knows of the pod. Whatever is not there any more is no error.
func (h *Host) Detach(g Gone) error {
	removed, err := removed(h.nl, g.HostEnd)
	if err != nil {
		return err
	}
	if err := g.cleanPod(!removed); err != nil && !removed {
		return err
	}
	if bridge, _ := link(h.nl, g.Bridge); bridge != nil {
		pod := Pod{Addrs: g.Addrs}
		forget(h.nl, pod.hostNeighbours(bridge.Attrs().Index))
	}
	return nil
}

// cleanPod removes what the end of the pair leaves in the pod: the rules of a later interface. If the host end was not found, somebody may
// have renamed or moved it: then the pod end goes as well, if it has the pod's MAC.
func (g Gone) cleanPod(withEnd bool) error {
	if g.NetNS == "" || len(g.Addrs) == 0 {
		return nil
	}
	pod, err := openNamespace(g.NetNS)
	if err != nil {
		return nil // it is gone, and the interface with it
	}
	defer pod.Close()
	return inPod(pod, func(nl *netlink.Handle) error {
		forgetRules(nl, g.Addrs)
		if !withEnd {
			return nil
		}
		end, err := link(nl, g.IfName)
		if end == nil || end.Type() != "veth" || !bytes.Equal(end.Attrs().HardwareAddr, MAC(g.Addrs)) {
			return err
		}
		return remove(nl, g.IfName)
	})
}

func remove(nl *netlink.Handle, name string) error {
	_, err := removed(nl, name)
	return err
}

// removed removes an interface, and reports whether there was one.
func removed(nl *netlink.Handle, name string) (bool, error) {
	found, err := link(nl, name)
	if found == nil || err != nil {
		return false, err
	}
	err = nl.LinkDel(found)
	if errors.Is(err, unix.ENODEV) {
		return false, nil
	}
	if err != nil {
		return false, explain(fmt.Sprintf("remove interface %s", name), err)
	}
	return true, nil
}

// forget removes neighbour entries. One that is left does no harm: the MAC belongs to the address.
func forget(nl *netlink.Handle, list []netlink.Neigh) {
	for _, n := range list {
		_ = nl.NeighDel(&n)
	}
}
