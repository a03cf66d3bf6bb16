package k8s

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// shim is weft's own plugin.
type shim struct{}

// shimConfig is what 'weft cni install' writes, with the port mappings of Kubernetes.
const shimConfig = `{
  "cniVersion": "1.0.0",
  "cniVersions": ["1.0.0", "1.1.0"],
  "name": "weft",
  "plugins": [
    {"type": "weft-cni", "capabilities": {"ips": true, "ipRanges": true}},
    {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}
  ]
}
`

func (shim) plug(t *testing.T, n *Node, _ []netip.Prefix) {
	_, err := n.Run(within(t, soon), "sh", "-c", "mkdir -p /opt/cni/bin && cp "+pluginsDir+"/loopback "+pluginsDir+"/portmap /opt/cni/bin/")
	check(t, err)
	raw, err := os.ReadFile(buildShim(t))
	check(t, err)
	check(t, n.WriteFile("/opt/cni/bin/weft-cni", raw, 0o755))
	check(t, n.WriteFile("/etc/cni/net.d/05-weft.conflist", []byte(shimConfig), 0o644))
}

// buildShim builds the plugin.
func buildShim(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "weft-cni")
	build := exec.CommandContext(within(t, rolloutWithin), "go", "build", "-o", path, "github.com/weftnet/weft/cmd/weft-cni")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build weft-cni: %v: %s", err, out)
	}
	return path
}

// held are the addresses that pods of the node have, as weft shows them.
func (shim) held(ctx context.Context, n *Node) (addrs []netip.Addr, err error) {
	out, err := n.Run(ctx, weftProgram, "ipam", "show", "--json")
	if err != nil {
		return nil, err
	}
	var shown struct {
		Records []ipam.Record `json:"records"`
	}
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		return nil, err
	}
	for _, r := range shown.Records {
		if r.State == ipam.Held {
			addrs = append(addrs, r.Addresses...)
		}
	}
	return addrs, nil
}
