package install

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/cni-shim/lease"
)

// The upper layer has a copy of a directory since the first change in it, and the copy's time: nobody made that directory anew.
func TestWhenADirectoryWasMadeIsNotBelievedOfAnOverlay(t *testing.T) {
	dir := t.TempDir()
	if born(dir).IsZero() {
		t.Skip("this file system does not know when a directory was made")
	}
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	merged, options := filepath.Join(dir, "merged"), fmt.Sprintf("lowerdir=%s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the mount goes with the thread and its namespace
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount("overlay", merged, "overlay", 0, options)
		}
		if err == nil && !born(merged).IsZero() {
			t.Errorf("made at %v", born(merged))
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("no overlay here: %v", err)
	}
}

// node is a bench on which a pod could start.
type node struct {
	*bench
	Chain
}

// speaks is a plugin that says which versions it speaks.
const speaks = "#!/bin/sh\nread line\n[ \"$CNI_COMMAND\" != VERSION ] || echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}'\n"

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{bench: newBench(t)}
	n.o.RunDir = filepath.Join(n.root, "run")
	for _, name := range Plugins {
		n.write(filepath.Join(n.o.Source, name), speaks, 0o755)
	}
	n.must(os.Mkdir(n.o.RunDir, 0o755))
	n.grant()
	kubelet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	t.Cleanup(kubelet.Close)
	config := filepath.Join(n.root, "config.toml")
	n.write(config, "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.cni]\nbin_dir = '"+n.o.Bin+"'\nconf_dir = '"+n.o.Conf+"'\n", 0o644)
	n.Chain = Chain{
		Configs: []string{config}, Sockets: []string{filepath.Join(n.root, "none"), filepath.Join(n.root, "s")},
		Kubelet: kubelet.Listener.Addr().String(), RunDir: n.o.RunDir,
		Daemon: func(context.Context) (string, error) { return "it runs", nil },
	}
	n.install()
	socket, err := net.Listen("unix", filepath.Join(n.root, "s"))
	n.must(err)
	t.Cleanup(func() { socket.Close() })
	return n
}

func (n *node) grant() {
	n.t.Helper()
	n.must(lease.Write(n.o.RunDir, lease.Lease{
		Node: "vm-1", Subnets: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}, Device: "weft0", MTU: 1440, StateDir: n.o.StateDir,
	}))
}

func TestTheChainIsFollowedInOrderAndAllIsWell(t *testing.T) {
	n := newNode(t)
	var names []string
	for _, s := range n.Examine(t.Context()) {
		names = append(names, s.Name)
		if s.Finding != OK || s.Detail == "" || s.Remedy != "" {
			t.Errorf("%+v", s)
		}
	}
	want := "kubelet containerd directories list plugin weft-cni plugin loopback plugin portmap plugin bandwidth lease daemon status"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("steps %s, want %s", got, want)
	}
}

// What is broken on purpose is found by its own step, and by no other.
func TestEachBrokenLinkIsNamed(t *testing.T) {
	for _, test := range []struct {
		what, step, says string
		finding          Finding
		spoil            func(n *node)
	}{
		{"no kubelet", "kubelet", "none answers", Warn, func(n *node) { n.Kubelet = "127.0.0.1:1" }},
		{"no containerd", "containerd", "nobody listens", Warn, func(n *node) { n.Sockets = n.Sockets[:1] }},
		{"pods switched off", "directories", "disabled_plugins", Fail, func(n *node) {
			n.write(n.Configs[0], "disabled_plugins = [\"cri\"]\n[plugins.cri.cni]\nbin_dir = '"+n.o.Bin+"'\nconf_dir = '"+n.o.Conf+"'\n", 0o644)
		}},
		{"no list", "list", "there is no", Fail, func(n *node) { n.must(os.Remove(n.listFile())) }},
		{"a rival", "list", "10-flannel.conflist sorts before", Fail, func(n *node) {
			n.write(filepath.Join(n.o.Conf, "10-flannel.conflist"), `{"name":"cbr0","plugins":[{"type":"flannel"}]}`, 0o644)
		}},
		{"directory made anew", "directories", "made anew while containerd ran", Warn, func(n *node) {
			if born(n.o.Conf).IsZero() {
				n.t.Skip("this file system does not know when a directory was made")
			}
			n.must(os.Chtimes(filepath.Join(n.root, "s"), time.Time{}, time.Now().Add(-time.Minute)))
		}},
		{"a list of another hand", "list", "not as weft writes it", Warn, func(n *node) {
			n.write(n.listFile(), `{"name":"weft","plugins":[{"type":"weft-cni","mtu":1400}]}`, 0o644)
		}},
		{"a list of nothing", "list", "it names no plugin", Fail, func(n *node) { n.write(n.listFile(), `{"name":"weft","plugins":[]}`, 0o644) }},
		{"half a list", "list", "is damaged", Fail, func(n *node) { n.write(n.listFile(), `{"name":"weft",`, 0o644) }},
		{"multus", "list", "which must be the network weft", Warn, func(n *node) {
			n.write(filepath.Join(n.o.Conf, "00-multus.conf"), `{"name":"multus-cni-network","type":"multus","clusterNetwork":"weft"}`, 0o644)
		}},
		{"a plugin is gone", "plugin portmap", "there is no", Fail, func(n *node) { n.must(os.Remove(n.bin("portmap"))) }},
		{"a plugin does not run", "plugin weft-cni", "does not run", Fail, func(n *node) { n.must(os.Chmod(n.bin(Plugin), 0o600)) }},
		{"an old plugin", "plugin bandwidth", "speaks the versions", Fail, func(n *node) {
			n.write(n.bin("bandwidth"), "#!/bin/sh\necho '{\"supportedVersions\":[\"0.2.0\"]}'\n", 0o755)
		}},
		{"no lease", "lease", "no lease", Fail, func(n *node) { n.must(lease.Remove(n.o.RunDir)) }},
		{"the plugin says no", "status", "code 50): the book is damaged", Fail, func(n *node) {
			n.write(n.bin(Plugin), strings.Replace(speaks, "read line\n",
				"read line\n[ $CNI_COMMAND != STATUS ] || { echo '{\"code\":50,\"msg\":\"the book is damaged\"}'; exit 1; }\n", 1), 0o755)
		}},
		{"no daemon", "daemon", "nobody listens; pods start all the same", Warn, func(n *node) {
			n.Daemon = func(context.Context) (string, error) { return "", errors.New("nobody\nlistens") }
		}},
	} {
		t.Run(test.what, func(t *testing.T) {
			n := newNode(t)
			test.spoil(n)
			for _, s := range n.Examine(t.Context()) {
				switch {
				case s.Name == test.step && (s.Finding != test.finding || !strings.Contains(s.Detail, test.says) || strings.Contains(s.Detail, "\n")):
					t.Errorf("%+v", s)
				case s.Name != test.step && s.Finding != OK:
					t.Errorf("also %+v", s)
				}
			}
		})
	}
}

func TestWithoutALeaseAndADaemonNoPodStarts(t *testing.T) {
	n := newNode(t)
	n.must(lease.Remove(n.o.RunDir))
	n.Daemon = func(context.Context) (string, error) { return "", errors.New("nobody listens") }
	for _, s := range n.Examine(t.Context()) {
		if (s.Name == "lease" || s.Name == "daemon") != (s.Finding == Fail) {
			t.Errorf("%+v", s)
		}
	}
}

func TestTheReasonIsWhatTheDaemonSaysBeforeWhatIsNotInstalledYet(t *testing.T) {
	ok, list, lease, daemon := Step{Name: "kubelet", Finding: OK}, Step{Name: "list", Finding: Fail}, Step{Name: "lease", Finding: Fail}, Step{Name: "daemon", Finding: Fail}
	for _, test := range []struct {
		want  string
		steps []Step
	}{{"daemon", []Step{ok, list, lease, daemon}}, {"lease", []Step{ok, list, lease}}, {"list", []Step{ok, list, {Name: "status", Finding: Fail}}}} {
		if s := Reason(test.steps); s == nil || s.Name != test.want {
			t.Errorf("%+v, want %s", s, test.want)
		}
	}
	if s := Reason([]Step{ok}); s != nil {
		t.Errorf("%+v", s)
	}
}

func TestAProgramThatMustNotBeRunHasItsOwnRemedy(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	n := newNode(t)
	n.must(syscall.Mount(n.o.Bin, n.o.Bin, "", syscall.MS_BIND, ""))
	defer func() { n.must(syscall.Unmount(n.o.Bin, syscall.MNT_DETACH)) }()
	n.must(syscall.Mount("", n.o.Bin, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_NOEXEC, ""))
	if s := pluginStep(t.Context(), n.bin(Plugin)); s.Finding != Fail || !strings.Contains(s.Remedy, "noexec") {
		t.Errorf("%+v", s)
	}
}

func TestAConfigurationThatCannotBeUnderstoodEndsTheChainThere(t *testing.T) {
	n := newNode(t)
	n.write(n.Configs[0], "version =", 0o644)
	steps := n.Examine(t.Context())
	if s := steps[2]; s.Name != "directories" || s.Finding != Fail || !strings.Contains(s.Detail, n.Configs[0]) {
		t.Errorf("%+v", s)
	}
}

func TestAwaitTellsEachReasonOnceAndEndsWithTheLease(t *testing.T) {
	n := newNode(t)
	n.must(lease.Remove(n.o.RunDir))
	reasons, told := []string{"a", "a", "b"}, []string(nil)
	err := Await(t.Context(), n.o.RunDir, func(_ context.Context, none error) string {
		if !errors.Is(none, lease.ErrNone) {
			t.Errorf("none = %v", none)
		}
		next := reasons[0]
		if reasons = reasons[1:]; len(reasons) == 0 {
			n.grant()
		}
		return next
	}, func(reason string) { told = append(told, reason) })
	if err != nil || strings.Join(told, "") != "ab" {
		t.Errorf("%v, told %v", err, told)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	n.must(lease.Remove(n.o.RunDir))
	if err := Await(ended, n.o.RunDir, func(context.Context, error) string { return "" }, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
