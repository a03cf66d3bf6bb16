package k8s

import (
	"context"
	"encoding/json"
	"net/netip"
	"path"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cri"
)

// bridge is the reference plugin of that name, with routes between the nodes that the test makes: it shows that what a test
// finds missing is not missing in the cluster itself.
type bridge struct{}

// pluginsDir is where Debian has the reference plugins.
const pluginsDir = "/usr/lib/cni"

// bridgeBook is the directory in which host-local notes each address that is taken, as a file.
const bridgeBook = "/var/lib/cni/networks/lab"

func (b bridge) install(t *testing.T, c *Cluster) {
	for _, n := range c.Nodes {
		own, err := n.PodNetworks(within(t, soon))
		check(t, err)
		for _, other := range c.Nodes {
			if other != n {
				routeTo(t, n.Machine, other)
			}
		}
		routeTo(t, c.Control, n)
		b.plug(t, n, own)
	}
}

// plug gives a node the plugin and its configuration.
func (bridge) plug(t *testing.T, n *Node, own []netip.Prefix) {
	_, err := n.Run(within(t, soon), "sh", "-c", "mkdir -p /opt/cni/bin && cp "+pluginsDir+"/* /opt/cni/bin/")
	check(t, err)
	check(t, n.WriteFile("/etc/cni/net.d/10-lab.conflist", bridgeConfig(t, own), 0o644))
}

// routeTo leads a machine's packets for a node's pods over the underlay.
func routeTo(t *testing.T, n *cri.Machine, other *Node) {
	ctx := within(t, soon)
	prefixes, err := other.PodNetworks(ctx)
	check(t, err)
	for _, prefix := range prefixes {
		via := other.Addr4()
		if prefix.Addr().Is6() {
			via = other.Addr6()
		}
		_, err := n.Run(ctx, "ip", "route", "replace", prefix.String(), "via", via.String())
		check(t, err)
	}
}

func bridgeConfig(t *testing.T, own []netip.Prefix) []byte {
	var ranges [][]map[string]string
	var routes []map[string]string
	for _, prefix := range own {
		ranges = append(ranges, []map[string]string{{"subnet": prefix.String()}})
		routes = append(routes, map[string]string{"dst": map[bool]string{true: "0.0.0.0/0", false: "::/0"}[prefix.Addr().Is4()]})
	}
	raw, err := json.Marshal(map[string]any{
		"cniVersion": "1.0.0", "name": "lab",
		"plugins": []any{
			map[string]any{
				"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
				"ipam": map[string]any{"type": "host-local", "ranges": ranges, "routes": routes},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	})
	check(t, err)
	return raw
}

func (bridge) held(ctx context.Context, n *Node) (addrs []netip.Addr, err error) {
	out, err := n.Run(ctx, "find", bridgeBook, "-type", "f")
	for _, file := range strings.Fields(out) {
		if addr, err := netip.ParseAddr(path.Base(file)); err == nil {
			addrs = append(addrs, addr)
		}
	}
	return addrs, err
}
