package config

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/node/kubernetes"
)

// checkKubernetes refuses keys that mean nothing, and a name that no node of Kubernetes has.
func (c *Config) checkKubernetes() error {
	if c.K8sNode != "" {
		if err := kubernetes.CheckNodeName(c.K8sNode); err != nil {
			return KeyErrorf("k8s_node", "%w", err)
		}
	}
	if c.Subnet.K8s {
		return nil
	}
	for _, k := range []struct{ key, value string }{{"kubeconfig", c.Kubeconfig}, {"k8s_node", c.K8sNode}} {
		if k.value != "" {
			return KeyErrorf(k.key, "is for subnet k8s alone, and subnet is %s: leave it out, or set 'subnet: k8s'", Joined(c.Subnet.Values()))
		}
	}
	return nil
}

// WithPodCIDRs is a copy of c, which has subnet k8s, with these podCIDRs of a node as its subnets. They may be none: the node has no
// subnet then. An error says why they cannot be and what to do; it wraps ErrConfig.
func (c *Config) WithPodCIDRs(list []netip.Prefix) (*Config, error) {
	next := *c
	next.Subnet = Subnet{K8s: true, Prefixes: slices.Clone(list)}
	for _, p := range list {
		if _, ok := c.networkOf(p); !ok {
			return nil, c.Placed(KeyErrorf("network", "the node's podCIDR is %s, which is not inside network %s: set network on all nodes to what holds all podCIDRs "+
				"(kube-controller-manager's and k3s's --cluster-cidr; k3s: 10.42.0.0/16 where nothing is set), and restart weft", p, Joined(c.Network)))
		}
	}
	return &next, next.Validate()
}
