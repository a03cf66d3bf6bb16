package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
)

const (
	podBridge    = "weftbr0" // in the host
	podInterface = "eth0"    // in the pod
)

// Pod is a namespace behind the bridge weftbr0 of a host. Its default routes lead to the host.
type Pod struct {
	*Namespace
	Host  *Host
	Addrs []netip.Prefix
}

// Addr4 is the pod's IPv4 address; invalid when it has none.
func (p *Pod) Addr4() netip.Addr { return first(plainAddrs(p.Addrs), netip.Addr.Is4) }

// Addr6 is the pod's IPv6 address; invalid when it has none.
func (p *Pod) Addr6() netip.Addr { return first(plainAddrs(p.Addrs), netip.Addr.Is6) }

// Pod makes a pod with the addresses given, each with the length of the host's subnet, as 10.244.1.10/24. The bridge gets
// the first address of each subnet (10.244.1.1/24), which is also the host's overlay address. The mtu, 0 for that of the
// underlay, is that of the pod's interface; a default route of the pod leads nowhere but to its host.
func (h *Host) Pod(name string, addrs []netip.Prefix, mtu int) (*Pod, error) {
	if mtu == 0 {
		mtu = h.lab.mtu
	}
	if err := errors.Join(checkName("pod", name), checkMTU(mtu), checkPodAddrs(addrs)); err != nil {
		return nil, err
	}
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	full := h.name + "-" + name
	if h.lab.taken(full) {
		return nil, fmt.Errorf("lab: pod %s on %s: the name is taken", name, h.name)
	}
	if err := h.lab.open("make pod " + name); err != nil {
		return nil, err
	}
	if err := h.prepareBridge(addrs); err != nil {
		return nil, err
	}
	n, err := h.lab.space(full, quietSettings, podSettings)
	if err != nil {
		return nil, err
	}
	p := &Pod{Namespace: n, Host: h, Addrs: addrs}
	if err := p.plugIn(mtu); err != nil {
		return nil, errors.Join(err, h.lab.discard(n))
	}
	h.pods = append(h.pods, p)
	h.lab.say("pod %s: %s", full, joined(addrs))
	return p, nil
}

func checkPodAddrs(addrs []netip.Prefix) error {
	if len(addrs) == 0 {
		return errors.New("lab: a pod needs an address")
	}
	for _, prefix := range addrs {
		if !prefix.IsValid() || prefix.IsSingleIP() || prefix.Addr() == prefix.Masked().Addr() || prefix.Addr() == gateway(prefix).Addr() {
			return fmt.Errorf("lab: pod address %s: want an address of a subnet behind its first one, as 10.244.1.10/24", prefix)
		}
	}
	return nil
}

// gateway is the first address of a pod's subnet: that of the bridge.
func gateway(pod netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(pod.Masked().Addr().Next(), pod.Bits())
}

// prepareBridge makes the pods' bridge if there is none yet, and gives it the addresses that the pod needs. Its MTU follows
// the ports. The lab's lock is held.
func (h *Host) prepareBridge(addrs []netip.Prefix) (err error) {
	if h.bridge == nil {
		if h.bridge, err = h.addBridge(podBridge, 0, nil); err != nil {
			return err
		}
	}
	for _, prefix := range addrs {
		if err := h.addAddress(h.bridge, gateway(prefix)); err != nil {
			return err
		}
	}
	return nil
}

// plugIn connects a new pod to its host. The lab's lock is held.
func (p *Pod) plugIn(mtu int) error {
	p.Host.next++
	port := fmt.Sprintf("pod%d", p.Host.next)
	link, err := p.Host.connect(p.Host.bridge, port, p.Namespace, podInterface, mtu)
	if err != nil {
		return err
	}
	for _, prefix := range p.Addrs {
		if err := p.addAddress(link, prefix); err != nil {
			return err
		}
		if err := p.setDefault(link, gateway(prefix).Addr()); err != nil {
			return err
		}
	}
	return nil
}

// setDefault makes a gateway the namespace's default route of its family.
func (n *Namespace) setDefault(link netlink.Link, via netip.Addr) error {
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: via.AsSlice(), Family: family(via)}
	if err := n.links.RouteReplace(route); err != nil {
		return fmt.Errorf("lab: default route of %s via %s: %w", n.name, via, err)
	}
	return nil
}

// joined writes prefixes without their lengths.
func joined(prefixes []netip.Prefix) string {
	var texts []string
	for _, addr := range plainAddrs(prefixes) {
		texts = append(texts, addr.String())
	}
	return strings.Join(texts, " ")
}
