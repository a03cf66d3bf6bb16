package k8s

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/cni-shim/ipam"
)

// shim is weft's own plugin, as 'weft cni install' puts it where containerd looks.
type shim struct {
	built string // the directory with the plugins, once they are built
}

// packagePlugins is where weft's packages have the plugins.
const packagePlugins = "/usr/lib/weft/cni"

func (s *shim) plug(t *testing.T, n *Node, _ []netip.Prefix) {
	if s.built == "" {
		s.built = buildPlugins(t)
	}
	for _, name := range install.Plugins {
		raw, err := os.ReadFile(filepath.Join(s.built, name))
		check(t, err)
		check(t, n.WriteFile(filepath.Join(packagePlugins, name), raw, 0o755))
	}
	for _, command := range []string{"install --wait", "status"} {
		_, err := n.Run(within(t, rolloutWithin), "sh", "-c", weftProgram+" cni "+command)
		check(t, err)
	}
}

// buildPlugins builds what 'weft cni install' installs.
func buildPlugins(t *testing.T) (dir string) {
	dir = t.TempDir()
	build := exec.CommandContext(within(t, clusterWithin), "make", "--silent", "--directory", "../..", "cni", "CNI="+dir)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make cni: %v\n%s", err, out)
	}
	return dir
}

// held are the addresses that pods of the node have, as weft shows them.
func (*shim) held(ctx context.Context, n *Node) (addrs []netip.Addr, err error) {
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
