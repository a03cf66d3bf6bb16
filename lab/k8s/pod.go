package k8s

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/weftnet/weft/lab/cri"
)

// netnsDir is where containerd keeps the network namespaces of its pods, on the node.
const netnsDir = "/run/netns"

// Pod is a pod that runs.
type Pod struct {
	Name  string
	Node  *Node
	Addrs []netip.Addr // of each family that it has, the first one first
	space string       // the file of its network namespace
}

// podList is what of a list of Pod objects is read here.
type podList struct {
	Items []podObject `json:"items"`
}

type podObject struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		PodIPs []struct {
			IP netip.Addr `json:"ip"`
		} `json:"podIPs"`
		Conditions []struct{ Type, Status string } `json:"conditions"`
	} `json:"status"`
}

// Pods are the pods with a label such as app=web, in the order of their nodes.
func (c *Cluster) Pods(ctx context.Context, label string) ([]*Pod, error) {
	var list podList
	if err := c.Get(ctx, &list, "pods", "--selector", label); err != nil {
		return nil, err
	}
	var pods []*Pod
	for _, n := range c.Nodes {
		for _, object := range list.Items {
			if object.Spec.NodeName != n.Name() {
				continue
			}
			p, err := n.pod(object)
			if err != nil {
				return nil, err
			}
			pods = append(pods, p)
		}
	}
	return pods, nil
}

// pod finds the namespace of a pod by its address.
func (n *Node) pod(object podObject) (*Pod, error) {
	p := &Pod{Name: object.Metadata.Name, Node: n}
	for _, ip := range object.Status.PodIPs {
		p.Addrs = append(p.Addrs, ip.IP)
	}
	if len(p.Addrs) == 0 {
		return nil, fmt.Errorf("k8s: pod %s has no address", p.Name)
	}
	files, err := os.ReadDir(n.Path(netnsDir))
	if err != nil {
		return nil, fmt.Errorf("k8s: namespaces of %s: %w", n.Name(), err)
	}
	for _, file := range files {
		p.space = filepath.Join(n.Path(netnsDir), file.Name())
		if addrs, err := p.held(); err == nil && slices.Contains(addrs, p.Addrs[0]) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("k8s: pod %s: no namespace of %s holds %s", p.Name, n.Name(), p.Addrs[0])
}

// held are the addresses inside of the pod's namespace.
func (p *Pod) held() (addrs []netip.Addr, err error) {
	err = p.Do(func() error {
		list, err := net.InterfaceAddrs()
		for _, addr := range list {
			if prefix, ok := addr.(*net.IPNet); ok {
				a, _ := netip.AddrFromSlice(prefix.IP)
				addrs = append(addrs, a.Unmap())
			}
		}
		return err
	})
	return addrs, err
}

// Addr4 is the pod's IPv4 address; invalid when it has none.
func (p *Pod) Addr4() netip.Addr { return p.first(netip.Addr.Is4) }

// Addr6 is the pod's IPv6 address; invalid when it has none.
func (p *Pod) Addr6() netip.Addr { return p.first(netip.Addr.Is6) }

func (p *Pod) first(is func(netip.Addr) bool) netip.Addr {
	if i := slices.IndexFunc(p.Addrs, is); i >= 0 {
		return p.Addrs[i]
	}
	return netip.Addr{}
}

// Do calls fn inside the pod's network namespace; see cri.Inside.
func (p *Pod) Do(fn func() error) error { return cri.Inside(p.space, fn) }
