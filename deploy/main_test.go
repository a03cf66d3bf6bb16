package deploy

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/lab/systemd"
)

// interrupted ends when somebody stops the tests: the one that runs then fails and cleans up, the others do not start.
var interrupted context.Context

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	interrupted = ctx
	code := m.Run()
	stop()
	labtest.Remove()
	removePlugins()
	os.Exit(code)
}

// patience bounds every wait for something that should take a second or so. It is no measure of speed.
const patience = 60 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	context.AfterFunc(interrupted, cancel)
	return ctx
}

// repository is the top of the source tree.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	check(t, err)
	return dir
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newLab makes an underlay without hosts. The test then runs beside others that have one of their own.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	t.Parallel() // they mostly wait
	if err := systemd.Available(); err != nil {
		t.Skip(err)
	}
	return labtest.Lab(interrupted, t, lab.Options{})
}

// vm is a virtual host with systemd.
type vm struct {
	*systemd.Machine
	t *testing.T
}

// boot makes a host of the lab and starts systemd on it. After a failure its journal is shown.
func boot(t *testing.T, l *lab.Lab, name string) *vm {
	t.Helper()
	host, err := l.Host(name)
	check(t, err)
	m, err := systemd.Boot(within(t, patience), host)
	check(t, err)
	v := &vm{m, t}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := m.Run(context.Background(), "journalctl", "--no-pager", "--output=short-precise", "--lines=150")
			t.Logf("journal of %s:\n%s", name, text)
		}
		if err := m.Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	})
	return v
}

// run runs a program that must not fail.
func (v *vm) run(args ...string) string {
	v.t.Helper()
	out, err := v.Run(within(v.t, patience), args...)
	if err != nil {
		v.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

// sh runs a script that must not fail.
func (v *vm) sh(script string) string {
	v.t.Helper()
	out, err := v.Shell(within(v.t, patience), "/", "set -eu\n"+script, nil)
	if err != nil {
		v.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(out)
}

// show is a property of weft's service.
func (v *vm) show(name string) string {
	v.t.Helper()
	value, err := v.Property(within(v.t, patience), "weft", name)
	check(v.t, err)
	return value
}

// await waits until a property of weft's service is the one wanted.
func (v *vm) await(name, want string) {
	v.t.Helper()
	check(v.t, v.Await(within(v.t, patience), "weft", name, want))
}

// peer is a host of the lab that runs weft without systemd; it is the cluster's first.
func peer(t *testing.T, l *lab.Lab) (*cluster.Cluster, *cluster.Node) {
	t.Helper()
	host, err := l.Host("vm-1")
	check(t, err)
	c := cluster.On(l, cluster.Options{Binary: labtest.Weft(t)})
	n, err := c.Adopt(within(t, patience), host)
	check(t, err)
	check(t, n.Up())
	return c, n
}
