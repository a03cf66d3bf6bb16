package podnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Ends are the two ends of a pod's interface, as the kernel has them.
type Ends struct {
	Pod, Host net.HardwareAddr // MACs
	MTU       int
}

// Vacant reports whether a pod can get an interface of that name: nil, or an error that wraps ErrNoNamespace, ErrOwnNamespace or
// ErrInterfaceExists.
func Vacant(netNS, ifname string) error {
	pod, err := openNamespace(netNS)
	if err != nil {
		return err
	}
	defer pod.Close()
	nl, err := netlink.NewHandleAt(pod, unix.NETLINK_ROUTE)
	if err != nil {
		return explain("open netlink in the pod", err)
	}
	defer nl.Close()
	found, err := link(nl, ifname)
	if found != nil {
		return fmt.Errorf("podnet: add interface %s: %w", ifname, ErrInterfaceExists)
	}
	return err
}

// Attach gives a pod its interface, which carries packets when Attach returns; the bridge must be there and up. An interface that another
// run left at the host's end is replaced. After an error nothing is left behind. It wraps ErrNoNamespace, ErrOwnNamespace or
// ErrInterfaceExists where one of these is the reason.
func (h *Host) Attach(p Pod) (Ends, error) {
	if err := p.validate(); err != nil {
		return Ends{}, err
	}
	pod, err := openNamespace(p.NetNS)
	if err != nil {
		return Ends{}, err
	}
	defer pod.Close()
	a := &attachment{Pod: p, host: h.nl}
	defer a.close()
	if err := a.create(pod); err != nil {
		return Ends{}, err
	}
	ends, err := a.connect()
	if err != nil {
		return Ends{}, errors.Join(err, a.undo())
	}
	return ends, nil
}

// attachment is one run of Attach.
type attachment struct {
	Pod
	host, pod *netlink.Handle // sockets in the two namespaces
}

func (a *attachment) close() {
	if a.pod != nil {
		a.pod.Close()
	}
}

// create makes the veth pair inside the pod's namespace, with the host end in the host's, and what has to be set there before it is up.
func (a *attachment) create(pod netns.NsHandle) error {
	return in(pod, func(host netns.NsHandle) (err error) {
		if a.pod, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return explain("open netlink in the pod", err)
		}
		if err := a.addPair(host); err != nil {
			return err
		}
		if _, err := apply(podSysctls(a.IfName, a.ipv6())); err != nil {
			return errors.Join(err, a.undo())
		}
		return nil
	})
}

// addPair makes the pair. A host end that is there already is of an attachment of the same name whose pod is gone from this namespace.
func (a *attachment) addPair(host netns.NsHandle) error {
	err := a.pod.LinkAdd(a.veth(host))
	if errors.Is(err, unix.EEXIST) {
		if found, _ := link(a.pod, a.IfName); found != nil {
			return fmt.Errorf("podnet: add interface %s: %w", a.IfName, ErrInterfaceExists)
		}
		if err := remove(a.host, a.HostEnd); err != nil {
			return err
		}
		err = a.pod.LinkAdd(a.veth(host))
	}
	return explain("add interface "+a.IfName, err)
}

func (a *attachment) veth(host netns.NsHandle) *netlink.Veth {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = a.IfName, a.MAC(), a.MTU
	attrs.GSOMaxSize = uint32(a.GSOMaxSize)
	return &netlink.Veth{LinkAttrs: attrs, PeerName: a.HostEnd, PeerNamespace: netlink.NsFd(host), PeerMTU: uint32(a.MTU)}
}

// connect plugs the host end in and gives the pod end its addresses and routes.
func (a *attachment) connect() (Ends, error) {
	port, err := a.plug()
	if err != nil {
		return Ends{}, err
	}
	end, err := link(a.pod, a.IfName)
	if err == nil && end == nil {
		err = explain("find interface "+a.IfName+" in the pod", unix.ENODEV)
	}
	if err == nil {
		err = a.configure(end)
	}
	if err == nil {
		err = a.enable(port, end)
	}
	if err != nil {
		return Ends{}, err
	}
	return Ends{Pod: end.Attrs().HardwareAddr, Host: port.Attrs().HardwareAddr, MTU: end.Attrs().MTU}, nil
}

// plug makes the host end a port of the bridge, and tells bridge and host where the pod is.
func (a *attachment) plug() (netlink.Link, error) {
	bridge, err := link(a.host, a.Bridge)
	if err == nil && bridge == nil {
		err = explain("find bridge "+a.Bridge, unix.ENODEV)
	}
	if err != nil {
		return nil, err
	}
	port, err := link(a.host, a.HostEnd)
	if err == nil && port == nil {
		err = explain("find interface "+a.HostEnd, unix.ENODEV)
	}
	if err != nil {
		return nil, err
	}
	if _, err := apply(hostEndSysctls(a.HostEnd)); err != nil {
		return nil, err
	}
	if a.GSOMaxSize != 0 && port.Attrs().GSOMaxSize != uint32(a.GSOMaxSize) {
		if err := a.host.LinkSetGSOMaxSize(port, a.GSOMaxSize); err != nil {
			return nil, explain("set gso_max_size of "+a.HostEnd, err)
		}
	}
	if err := a.host.LinkSetMaster(port, bridge); err != nil {
		return nil, explain(fmt.Sprintf("make %s a port of %s", a.HostEnd, a.Bridge), err)
	}
	if err := a.lowerBridge(port.Attrs().MTU); err != nil {
		return nil, err
	}
	if err := podPort(!a.Guarded, a.Hairpin).set(port.Attrs().Index); err != nil {
		return nil, explain("set up port "+a.HostEnd, err)
	}
	fdb := bridgePort(port.Attrs().Index, a.MAC())
	return port, a.addNeighbours(a.host, append(a.hostNeighbours(bridge.Attrs().Index), fdb))
}

// lowerBridge gives the bridge the MTU of a port if that is lower (see bridging.mtu). The bridge is looked at anew: others raise it by the
// ports that it has.
func (a *attachment) lowerBridge(mtu int) error {
	bridge, err := link(a.host, a.Bridge)
	if bridge == nil || err != nil || bridge.Attrs().MTU <= mtu {
		return err
	}
	return explain(fmt.Sprintf("set MTU %d on bridge %s", mtu, a.Bridge), a.host.LinkSetMTU(bridge, mtu))
}

func (a *attachment) addNeighbours(nl *netlink.Handle, list []netlink.Neigh) error {
	for _, n := range list {
		if err := nl.NeighSet(&n); err != nil {
			return explain(fmt.Sprintf("add neighbour entry %v (%s)", n.IP, n.HardwareAddr), err)
		}
	}
	return nil
}

// configure gives the pod end, which is down still, its addresses, sets it up, and adds what the kernel takes only then.
func (a *attachment) configure(end netlink.Link) error {
	index := end.Attrs().Index
	for _, addr := range a.Addrs {
		if err := a.pod.AddrReplace(end, podAddress(addr)); err != nil {
			return explain(fmt.Sprintf("add address %s to the pod", addr), err)
		}
	}
	if err := a.pod.LinkSetUp(end); err != nil {
		return explain("set the pod's interface up", err)
	}
	if err := a.addRoutes(index); err != nil {
		return err
	}
	return a.addNeighbours(a.pod, a.neighbours(index))
}

// enable sets the host end up, which is what makes the port carry frames, and waits until both ends do and the pod takes packets to all of
// its addresses.
func (a *attachment) enable(port, end netlink.Link) error {
	if err := a.host.LinkSetUp(port); err != nil {
		return explain("set "+a.HostEnd+" up", err)
	}
	err := await("carrier of "+a.HostEnd, func() bool {
		return carries(a.host, port.Attrs().Index) && carries(a.pod, end.Attrs().Index)
	})
	if err != nil {
		return err
	}
	return await("use the pod's addresses", func() bool {
		return !slices.ContainsFunc(a.Addrs, func(addr netip.Addr) bool { return !usable(a.pod, addr) })
	})
}

// undo removes the pair, what it leaves in the pod, and what the host knows of the pod.
func (a *attachment) undo() error {
	err := remove(a.pod, a.IfName)
	forgetRules(a.pod, a.Addrs)
	if bridge, _ := link(a.host, a.Bridge); bridge != nil {
		forget(a.host, a.hostNeighbours(bridge.Attrs().Index))
	}
	return err
}
