package cnishim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// interrupted ends when somebody stops the tests: the lab that stands then is closed in order, and no more are made.
var interrupted context.Context

// pluginDir has the plugin, built once for all tests.
var pluginDir string

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	interrupted = ctx
	os.Exit(func() int {
		defer stop()
		dir, err := os.MkdirTemp("", "weft-cnishim-")
		if err == nil {
			defer os.RemoveAll(dir)
			pluginDir, err = dir, build(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		before := goleak.IgnoreCurrent()
		code := m.Run()
		if err := goleak.Find(before); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}())
}

func build(dir string) error {
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "weft-cni"), "github.com/weftnet/weft/cmd/weft-cni")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the plugin: %w: %s", err, out)
	}
	return nil
}

// patience is how long a test waits for a plugin or a program before it gives up; two hundred at once take their time on a busy machine.
const patience = 3 * time.Minute

// site is a node with a lease; pods are network namespaces without a name.
type site struct {
	t                testing.TB
	vm               *lab.Host
	runDir, stateDir string
}

func newSite(t testing.TB) *site {
	t.Helper()
	for _, p := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: run scripts/setup.sh", p)
		}
	}
	s := &site{t: t, runDir: t.TempDir(), stateDir: t.TempDir()}
	s.vm = labtest.Host(t, labtest.Lab(interrupted, t, lab.Options{}), "vm")
	s.lease()
	return s
}

// lease writes the node's lease, changed by change.
func (s *site) lease(change ...func(*lease.Lease)) {
	s.t.Helper()
	l := lease.Lease{
		Node: "vm", Network: prefixes("10.244.0.0/16", "fd10:244::/48"), Subnets: prefixes("10.244.1.0/24", "fd10:244:0:1::/64"),
		Device: "weft0", MTU: 1440, GSOMaxSize: 60000, StateDir: s.stateDir,
	}
	for _, c := range change {
		c(&l)
	}
	if err := lease.Write(s.runDir, l); err != nil {
		s.t.Fatal(err)
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// space is a network namespace for a pod.
type space struct {
	handle netns.NsHandle
	path   string
}

// newSpace makes one, which goes with the test.
func newSpace(t testing.TB) *space {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	handle, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := netns.Set(home); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	return &space{handle, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(handle))}
}

// do calls fn inside the namespace.
func (n *space) do(fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := netns.Set(n.handle); err != nil {
		return err
	}
	return errors.Join(fn(), netns.Set(home))
}

// run runs a shell's lines inside the namespace.
func (n *space) run(t testing.TB, lines string) string {
	t.Helper()
	var out []byte
	err := n.do(func() (err error) {
		out, err = exec.CommandContext(t.Context(), "sh", "-ec", lines).CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v: %s", lines, err, out)
	}
	return string(out)
}

// call is one call of the plugin.
type call struct {
	operation, container, ifname, netns, args string
	config                                    map[string]any
	raw                                       string // instead of config
}

// pod is the call that adds a container to a namespace, in a version of the specification.
func (s *site) pod(container string, n *space) call {
	c := call{operation: "ADD", container: container, ifname: "eth0", args: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=" + container}
	if n != nil {
		c.netns = n.path
	}
	c.config = map[string]any{"cniVersion": "1.1.0", "name": "weft", "type": "weft-cni", "runDir": s.runDir}
	return c
}

// as is the same call as another operation.
func (c call) as(operation string) call {
	c.operation = operation
	return c
}

// with is the same call with a key of the configuration changed; nil takes the key away.
func (c call) with(key string, value any) call {
	c.config = maps.Clone(c.config)
	c.config[key] = value
	if value == nil {
		delete(c.config, key)
	}
	return c
}

// command is the plugin's process, which the caller starts in the node's namespace.
func (c call) command(ctx context.Context) (*exec.Cmd, *bytes.Buffer) {
	input := []byte(c.raw)
	if c.raw == "" {
		input, _ = json.Marshal(c.config)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(pluginDir, "weft-cni"))
	cmd.Stdin = bytes.NewReader(input)
	cmd.Env = []string{"CNI_COMMAND=" + c.operation, "CNI_CONTAINERID=" + c.container, "CNI_IFNAME=" + c.ifname, "CNI_NETNS=" + c.netns,
		"CNI_ARGS=" + c.args, "CNI_PATH=" + pluginDir}
	out := new(bytes.Buffer)
	cmd.Stdout = out
	return cmd, out
}

// try calls the plugin and returns what it prints, or its error, which must be one sentence in one line.
func (s *site) try(c call) (string, *types.Error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd, out := c.command(ctx)
	err := s.vm.Do(cmd.Run)
	if err == nil {
		return out.String(), nil
	}
	e := new(types.Error)
	if json.Unmarshal(out.Bytes(), e) != nil || e.Msg == "" || strings.Contains(e.Msg, "\n") {
		s.t.Errorf("%s ends with %v and prints %q", c.operation, err, out)
	}
	return "", e
}

// must calls the plugin, which has to succeed.
func (s *site) must(c call) string {
	s.t.Helper()
	out, err := s.try(c)
	if err != nil {
		s.t.Fatalf("%s: code %d: %s (%s)", c.operation, err.Code, err.Msg, err.Details)
	}
	return out
}

// add adds a pod and returns the result, and the call that CHECK is made of.
func (s *site) add(container string, n *space) (*types100.Result, call) {
	s.t.Helper()
	c := s.pod(container, n)
	return s.addCall(c)
}

func (s *site) addCall(c call) (*types100.Result, call) {
	s.t.Helper()
	text := s.must(c)
	parsed, err := types100.NewResult([]byte(text))
	if err != nil {
		s.t.Fatalf("result %s: %v", text, err)
	}
	var raw map[string]any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		s.t.Fatal(err)
	}
	return parsed.(*types100.Result), c.with("prevResult", raw)
}

// run runs a shell's lines in the node's namespace.
func (s *site) run(lines string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	out, err := s.vm.Run(ctx, "sh", "-ec", lines)
	if err != nil {
		s.t.Fatalf("%s: %v", lines, err)
	}
	return out
}

// held are the records of the book that are held.
func (s *site) held() []ipam.Record {
	s.t.Helper()
	boot, err := lease.BootID()
	if err != nil {
		s.t.Fatal(err)
	}
	book, err := ipam.Open(s.stateDir, ipam.Options{BootID: boot})
	if err != nil {
		s.t.Fatal(err)
	}
	records, err := book.Records()
	if err != nil {
		s.t.Fatal(err)
	}
	var list []ipam.Record
	for _, r := range records {
		if r.State == ipam.Held {
			list = append(list, r)
		}
	}
	return list
}

// left is what kernel and book have of pods: nothing, where all is undone.
func (s *site) left() string {
	s.t.Helper()
	var text strings.Builder
	for _, r := range s.held() {
		fmt.Fprintf(&text, "record %s\n", r.Key)
	}
	if err := s.vm.Do(func() error {
		h, err := podnet.Open()
		if err != nil {
			return err
		}
		defer h.Close()
		ends, err := h.HostEnds(defaultBridge)
		if err != nil {
			return err
		}
		ports, err := podnet.NewGuard(defaultBridge).Ports()
		fmt.Fprintf(&text, "%s%s", lines("host end", ends), lines("guard of", ports))
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	text.WriteString(s.run("ip -br link | grep '^wv' || true; ip neigh show dev weftbr0 nud permanent 2>/dev/null || true; ip -6 neigh show dev weftbr0 nud permanent 2>/dev/null || true"))
	return text.String()
}

func lines(what string, names []string) string {
	var text strings.Builder
	for _, n := range names {
		fmt.Fprintf(&text, "%s %s\n", what, n)
	}
	return text.String()
}

// moved gives a lease other subnets and other sizes.
func moved(l *lease.Lease) { l.Subnets, l.MTU, l.GSOMaxSize = prefixes("10.244.7.0/24"), 1400, 50000 }
