package k8s

import (
	"context"
	"net/netip"
	"testing"
)

// plugin is what connects the pods of a cluster.
type plugin interface {
	// install connects the nodes, of which Kubernetes has given each its prefixes.
	install(t *testing.T, c *Cluster)
	// held are the pods' addresses that are taken on a node.
	held(ctx context.Context, n *Node) ([]netip.Addr, error)
}

// podPlugin is a plugin's part on one node.
type podPlugin interface {
	// plug gives a node the plugin, for pods of the node's own prefixes. From then on the node becomes ready.
	plug(t *testing.T, n *Node, own []netip.Prefix)
	held(ctx context.Context, n *Node) ([]netip.Addr, error)
}

// restarter is a plugin with a daemon on every node.
type restarter interface {
	plugin
	// stop ends a node's daemon in order, and start starts it again and waits until it is ready.
	stop(t *testing.T, n *Node)
	start(t *testing.T, n *Node)
}
