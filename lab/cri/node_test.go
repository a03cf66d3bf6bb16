package cri

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
)

// site is two hosts, each with weft and containerd.
type site struct {
	*cluster.Cluster
	nodes []*node
}

// node is one of them.
type node struct {
	*Runtime
	weft    *cluster.Node
	program string // weft's executable
}

// conflist is what 'weft cni install' writes, with the run directory of a virtual host.
const conflist = `{
  "cniVersion": "1.0.0",
  "cniVersions": ["1.0.0", "1.1.0"],
  "name": "weft",
  "plugins": [
    {"type": "weft-cni", "runDir": %q, "capabilities": {"ips": true, "ipRanges": true}},
    {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}
  ]
}
`

// reference is where Debian has the reference plugins.
const reference = "/usr/lib/cni"

// newSite makes the two hosts; pods can start when it returns. flags are further ones of 'weft init' and 'weft join'.
func newSite(t *testing.T, flags ...string) *site {
	t.Helper()
	requirements(t)
	l := testLab(t)
	program := filepath.Join(l.Dir(), "weft") // which the machines see by the same path
	check(t, copyFile(labtest.Weft(t), program))
	s := &site{Cluster: cluster.On(l, cluster.Options{Binary: program, Network: []string{"10.244.0.0/16", "fd10:244::/48"}, Flags: flags})}
	s.nodes = make([]*node, 2)
	for i := range s.nodes {
		s.nodes[i] = s.newNode(t, fmt.Sprintf("vm-%d", i+1), program)
	}
	plugin := buildPlugin(t)
	var all sync.WaitGroup
	for _, n := range s.nodes {
		all.Go(func() { n.start(t, plugin) })
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	check(t, s.AwaitAll(within(t, soon)))
	for _, n := range s.nodes {
		n.awaitLease(t)
	}
	return s
}

// requirements skips where something is missing.
func requirements(t *testing.T) {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	if _, err := Crictl(); err != nil {
		t.Skip(err)
	}
	for _, program := range []string{filepath.Join(reference, "portmap"), "iptables", "nft", "ip"} { // portmap calls iptables
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v: scripts/setup.sh --all", err)
		}
	}
}

// newNode makes a host and sets weft up there.
func (s *site) newNode(t *testing.T, name, program string) *node {
	t.Helper()
	host, err := s.Host(name)
	check(t, err)
	n := &node{program: program}
	n.weft, err = s.Adopt(within(t, soon), host)
	check(t, err)
	return n
}

// start starts containerd and weft. The daemon is in the machine's namespace of mounts, so that it lives in the boot that the machine
// shows.
func (n *node) start(t *testing.T, plugin string) {
	r, err := NewRuntime(within(t, soon), n.weft.Host)
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	n.Runtime = r
	n.weft.Through("nsenter", "--target", fmt.Sprint(r.PID()), "--mount", "--")
	if err := n.install(plugin); err != nil {
		t.Error(err)
	}
	if err := n.weft.Up(); err != nil {
		t.Error(err)
	}
}

// install puts the plugins and their configuration where containerd looks for them.
func (n *node) install(plugin string) error {
	for _, from := range []string{plugin, filepath.Join(reference, "loopback"), filepath.Join(reference, "portmap")} {
		raw, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := n.WriteFile(filepath.Join("/opt/cni/bin", filepath.Base(from)), raw, 0o755); err != nil {
			return err
		}
	}
	return n.WriteFile("/etc/cni/net.d/05-weft.conflist", fmt.Appendf(nil, conflist, n.runDir()), 0o644)
}

func (n *node) runDir() string { return filepath.Dir(n.weft.Socket()) }

// other is the other host.
func (s *site) other(n *node) *node {
	if n == s.nodes[0] {
		return s.nodes[1]
	}
	return s.nodes[0]
}

// awaitLease waits until weft lets pods start in the boot that the machine shows.
func (n *node) awaitLease(t *testing.T) {
	t.Helper()
	boot, err := n.boot()
	check(t, err)
	check(t, Poll(within(t, soon), func() error {
		raw, err := os.ReadFile(lease.Path(n.runDir()))
		if err != nil {
			return err
		}
		l, err := lease.Decode(raw)
		if err == nil && l.BootID != boot {
			err = fmt.Errorf("the lease is of boot %s, want %s", l.BootID, boot)
		}
		return err
	}))
}

// bootFile names the boot; see random(4).
const bootFile = "/proc/sys/kernel/random/boot_id"

// boot is the machine's.
func (n *node) boot() (string, error) {
	raw, err := os.ReadFile(n.Path(bootFile))
	return strings.TrimSpace(string(raw)), err
}

// up starts the daemon of a host and waits until both hosts know a path.
func (s *site) up(t *testing.T, n *node) {
	t.Helper()
	check(t, n.weft.Up())
	check(t, s.AwaitAll(within(t, soon)))
}

// agrees fails the test when a host's address book does not agree with the host, or holds anything but these pods.
func (n *node) agrees(t *testing.T, pods ...*Pod) {
	t.Helper()
	if out, err := n.Run(within(t, soon), n.program, "ipam", "check", "--run-dir", n.runDir()); err != nil {
		t.Errorf("ipam check on %s: %v: %s", n.Name(), err, out)
	}
	held, err := n.held()
	check(t, err)
	if len(held) != len(pods) {
		t.Errorf("%s holds %d records for %d pods: %v", n.Name(), len(held), len(pods), held)
	}
	for _, p := range pods {
		if r := held[p.ID]; fmt.Sprint(r.Addresses) != fmt.Sprint(p.Addrs) {
			t.Errorf("pod %s has %v, and the book says %v", p.Name, p.Addrs, r.Addresses)
		}
	}
}

// held are the held records of the node's address book, by the pod's ID.
func (n *node) held() (map[string]ipam.Record, error) {
	boot, err := n.boot()
	if err != nil {
		return nil, err
	}
	book, err := ipam.Open(n.weft.StateDir(), ipam.Options{BootID: boot})
	if err != nil {
		return nil, err
	}
	records, err := book.Records()
	held := map[string]ipam.Record{}
	for _, r := range records {
		if r.State == ipam.Held {
			held[r.Container] = r
		}
	}
	return held, err
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o755)
}

// buildPlugin builds weft-cni.
func buildPlugin(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weft-cni")
	build := exec.CommandContext(within(t, soon), "go", "build", "-o", path, "github.com/weftnet/weft/cmd/weft-cni")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build weft-cni: %v: %s", err, out)
	}
	return path
}

//go:embed testdata/serve.sh
var serveScript string

// serve makes a pod with the server of package labtest, and waits until it answers its host.
func (n *node) serve(ctx context.Context, config PodConfig) (*Pod, error) {
	config.Command = []string{"sh", "-c", serveScript}
	p, err := n.RunPod(ctx, config)
	if err != nil {
		return nil, err
	}
	return p, Poll(ctx, func() error {
		_, err := labtest.Fetch(ctx, n, netip.AddrPortFrom(p.Addrs[0], PodPort), labtest.SumPath)
		return err
	})
}

// mustServe is serve where it has to succeed.
func (n *node) mustServe(t *testing.T, name string) *Pod {
	t.Helper()
	p, err := n.serve(within(t, soon), PodConfig{Name: name})
	if err != nil {
		t.Fatalf("pod %s on %s: %v", name, n.Name(), err)
	}
	return p
}

// remove removes a pod.
func remove(t *testing.T, p *Pod) {
	t.Helper()
	check(t, p.Remove(within(t, soon)))
}
