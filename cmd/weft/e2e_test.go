package main

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// The end-to-end tests run the real binary on virtual hosts: real kernels' TUN devices, routes and namespaces, real
// sockets. They need root, and skip without it.

// interrupted ends when somebody stops the tests: the one that runs then fails and cleans up, the others do not start.
var interrupted context.Context

func TestMain(m *testing.M) {
	serveAsManager()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	interrupted = ctx
	code := m.Run()
	stop()
	labtest.Remove()
	os.Exit(code)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if interrupted.Err() != nil {
		t.Fatal("interrupted")
	}
	if _, err := exec.LookPath("ping"); err != nil {
		t.Skip("ping is not installed: run scripts/setup.sh")
	}
}

// patience bounds every wait for something that should take a second or so. It is no measure of speed.
const patience = 40 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	context.AfterFunc(interrupted, cancel)
	return ctx
}

// newCluster makes a lab with hosts that are set up but not started. After a failure the daemons' logs are shown.
func newCluster(t *testing.T, hosts int, flags ...string) *cluster.Cluster {
	t.Helper()
	return newClusterOf(t, cluster.Options{Hosts: hosts, Flags: flags})
}

func newClusterOf(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	needRoot(t)
	o.Binary, o.Network = labtest.Weft(t), []string{"10.244.0.0/16", "fd10:244::/48"}
	c, err := cluster.New(interrupted, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			showLogs(t, c)
		}
		if err := c.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	return c
}

func showLogs(t *testing.T, c *cluster.Cluster) {
	for _, n := range c.Nodes {
		if n.Daemon() == nil {
			continue
		}
		text, _ := n.Daemon().Stderr()
		t.Logf("log of %s:\n%s", n.Name(), text)
	}
}

// startAll starts all daemons and waits until all reach each other.
func startAll(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := c.UpAll(); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
}

func awaitAll(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := c.AwaitAll(within(t, patience)); err != nil {
		t.Fatal(err)
	}
}

func awaitPeer(t *testing.T, n *cluster.Node, peer, state string) {
	t.Helper()
	if err := n.AwaitPeer(within(t, patience), peer, state); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, n *cluster.Node) *api.Status {
	t.Helper()
	s, err := n.Status(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pods makes a pod on every host.
func pods(t *testing.T, c *cluster.Cluster) []*lab.Pod {
	t.Helper()
	var list []*lab.Pod
	for _, n := range c.Nodes {
		p, err := n.AddPod(within(t, patience), "pod")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// pinger is a host or pod.
type pinger interface {
	Run(ctx context.Context, args ...string) (string, error)
	Name() string
}

// awaitPing pings until one answer came.
func awaitPing(t *testing.T, from pinger, to netip.Addr) {
	t.Helper()
	ctx := within(t, patience)
	for {
		_, err := from.Run(ctx, "ping", "-n", "-c", "1", "-W", "1", to.String())
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s does not reach %s: %v", from.Name(), to, err)
		}
	}
}

// pingAll pings once from every one to every other, over both families.
func pingAll(t *testing.T, list []*lab.Pod) {
	t.Helper()
	for _, from := range list {
		for _, to := range list {
			if from != to {
				awaitPing(t, from, to.Addr4())
				awaitPing(t, from, to.Addr6())
			}
		}
	}
}
