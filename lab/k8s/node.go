package k8s

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cri"
)

//go:embed config
var configs embed.FS

// Node is a machine with containerd, kubelet, kube-proxy, and the controller of network policies that k3s has.
type Node struct {
	*cri.Machine
	cluster  *Cluster
	services []*lab.Process
	policies *lab.Process
}

// settings fill in the files of directory config.
type settings struct {
	Name, Group, PKI, ProxyMode, PodNetworks string
}

// addNode makes a node and waits until it has registered.
func (c *Cluster) addNode(ctx context.Context) error {
	host, err := c.lab.Host(fmt.Sprintf("vm-%d", len(c.Nodes)+1))
	if err != nil {
		return err
	}
	machine, err := cri.Boot(ctx, host)
	if err != nil {
		return err
	}
	n := &Node{Machine: machine, cluster: c}
	c.Nodes = append(c.Nodes, n)
	if err := n.start(ctx); err != nil {
		return fmt.Errorf("k8s: node %s: %w", n.Name(), err)
	}
	return nil
}

// start starts what a node runs, in order.
func (n *Node) start(ctx context.Context) error {
	if err := errors.Join(n.leadOut(), n.issue(), n.configure()); err != nil {
		return err
	}
	containerd, err := cri.StartContainerd(ctx, n.Machine, n.cluster.file("image.tar"))
	if err != nil {
		return err
	}
	n.services = append(n.services, containerd.Process())
	var addrs []string
	for _, addr := range n.Addrs() {
		addrs = append(addrs, addr.String())
	}
	err = n.service(n.cluster.options.Binaries.path("kubelet"), "--config=/etc/kubernetes/kubelet.yaml",
		"--kubeconfig="+n.cluster.pki.path(n.Name()+".kubeconfig"), "--hostname-override="+n.Name(), "--node-ip="+strings.Join(addrs, ","))
	if err != nil {
		return err
	}
	if err := n.service(n.cluster.options.Binaries.path("kube-proxy"), "--config=/etc/kubernetes/proxy.yaml"); err != nil {
		return err
	}
	if _, err := n.PodNetworks(ctx); err != nil {
		return err
	}
	return n.startPolicies()
}

// startPolicies starts the controller of network policies. The node must have registered.
func (n *Node) startPolicies() (err error) {
	n.policies, err = n.Start(n.cluster.options.Binaries.path("policy"), n.cluster.admin, n.Name(), serviceNetworks)
	return err
}

// leadOut gives the node default routes. The addresses of services are nobody's: the kernel refuses to send anything there
// before the rules see it, unless a route leads somewhere.
func (n *Node) leadOut() error {
	for _, via := range n.cluster.Control.Addrs() {
		if err := n.SetDefaultRoute(via); err != nil {
			return err
		}
	}
	return nil
}

// issue makes the kubelet's certificate, for both its server and what it asks of the API.
func (n *Node) issue() error {
	who := identity{name: "system:node:" + n.Name(), group: "system:nodes", names: []string{n.Name()}, addrs: n.Addrs()}
	_, err := n.cluster.pki.kubeconfig(n.Name(), n.cluster.server(), who)
	return err
}

// configure writes the configuration of what the node runs.
func (n *Node) configure() error {
	s := settings{
		Name: n.Name(), Group: n.Group(), PKI: n.cluster.pki.dir, ProxyMode: n.cluster.options.ProxyMode, PodNetworks: podNetworks(),
	}
	for file, path := range map[string]string{
		"kubelet.yaml": "/etc/kubernetes/kubelet.yaml",
		"proxy.yaml":   "/etc/kubernetes/proxy.yaml",
	} {
		text, err := template.ParseFS(configs, "config/"+file)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := text.Execute(&out, s); err != nil {
			return err
		}
		if err := n.WriteFile(path, out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// service starts one of the programs that the node cannot be without.
func (n *Node) service(args ...string) error {
	p, err := n.Start(args...)
	if err == nil {
		n.services = append(n.services, p)
	}
	return err
}

// failed says which of the node's programs has ended, as something hopeless; nil: none.
func (n *Node) failed() error {
	running := n.services
	if n.policies != nil {
		running = append(slices.Clone(running), n.policies)
	}
	if i := slices.IndexFunc(running, cri.Ended); i >= 0 {
		return cri.Hopeless(fmt.Errorf("a program of the node has ended: %s", cri.LastLines(running[i], 3)))
	}
	return nil
}

// nodeObject is what of a Node object is read here.
type nodeObject struct {
	Spec struct {
		PodCIDRs []netip.Prefix `json:"podCIDRs"`
	} `json:"spec"`
	Status struct {
		Conditions []struct{ Type, Status, Message string } `json:"conditions"`
	} `json:"status"`
}

// PodNetworks are the prefixes that Kubernetes gave the node for its pods; it waits until there are some.
func (n *Node) PodNetworks(ctx context.Context) ([]netip.Prefix, error) {
	var object nodeObject
	err := cri.Poll(ctx, func() error {
		if err := n.failed(); err != nil {
			return err
		}
		if err := n.cluster.Get(ctx, &object, "node", n.Name()); err != nil {
			return err
		}
		if len(object.Spec.PodCIDRs) == 0 {
			return errors.New("it has no spec.podCIDRs yet")
		}
		return nil
	})
	return object.Spec.PodCIDRs, err
}

// AwaitReady waits until the node is Ready.
func (n *Node) AwaitReady(ctx context.Context) error {
	err := cri.Poll(ctx, func() error {
		if err := n.failed(); err != nil {
			return err
		}
		why, err := n.NotReady(ctx)
		if err == nil && why != "" {
			err = errors.New(why)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("k8s: node %s is not ready: %w", n.Name(), err)
	}
	return nil
}

// NotReady is why the node is not Ready, in the kubelet's words; empty: it is.
func (n *Node) NotReady(ctx context.Context) (why string, err error) {
	var object nodeObject
	if err := n.cluster.Get(ctx, &object, "node", n.Name()); err != nil {
		return "", err
	}
	for _, condition := range object.Status.Conditions {
		if condition.Type == "Ready" && condition.Status == "True" {
			return "", nil
		}
		if condition.Type == "Ready" {
			return condition.Message, nil
		}
	}
	return "it has not said", nil
}
