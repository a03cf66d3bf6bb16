package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/rundir"
	"github.com/weftnet/weft/node/statedir"
)

// realTime runs one machine as the daemon does, with its lock and its control socket, and so outside a bubble.
func realTime(t *testing.T) (*machine, *api.Client) {
	t.Helper()
	s := &site{t: t, net: simnet.New(simnet.Options{}), dir: shortDir(t)}
	m := s.machine(1)
	must(t, m.boot())
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.ended = cancel, make(chan error, 1)
	go func() { m.ended <- m.node.Run(ctx) }()
	t.Cleanup(m.stop)
	client := api.NewClient(m.cfg.Socket())
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		status, err := client.Status(t.Context())
		if err == nil && len(status.Node.Subnets) > 0 {
			return m, client
		}
		if time.Now().After(end) {
			t.Fatalf("not up after 10 s: %v", err)
		}
	}
}

// shortDir is a directory whose sockets have names short enough for the kernel (108 bytes).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestTheControlSocketAnswersAndIsForRootAlone(t *testing.T) {
	m, client := realTime(t)
	info, err := os.Stat(m.cfg.Socket())
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	status, err := client.Status(t.Context())
	must(t, err)
	if status.Node.Name != "node-1" || status.Node.ID != m.node.identity.Fingerprint().String() || status.Node.Drops == nil || status.Peers == nil {
		t.Errorf("status %+v", status)
	}
	peers, err := client.Peers(t.Context())
	must(t, err)
	if len(peers) != 0 {
		t.Errorf("peers %+v", peers)
	}
	routes, err := client.Routes(t.Context())
	must(t, err)
	if len(routes) != 1 || routes[0].Prefix != subnetOf(1) || routes[0].Kind != "own" {
		t.Errorf("routes %+v", routes)
	}
}

func TestAStopThatIsAskedForEndsTheDaemonWithoutError(t *testing.T) {
	m, client := realTime(t)
	must(t, client.Stop(t.Context()))
	select {
	case err := <-m.ended:
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it still runs")
	}
	m.cancel()
	m.cancel = nil
	if _, err := client.Status(t.Context()); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("Status = %v", err)
	}
	must(t, m.boot()) // the port, the lock and the socket are free again
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go func() { m.ended <- m.node.Run(ctx) }()
}

func TestAnEpochThatCannotBeReadEndsTheStartAndWhatWasOpenedMeanwhile(t *testing.T) {
	s := &site{t: t, net: simnet.New(simnet.Options{}), dir: shortDir(t)}
	m := s.machine(1)
	must(t, m.boot())
	must(t, os.Mkdir(filepath.Join(m.cfg.StateDir, statedir.EpochFile), 0o700))
	if err := m.node.Run(t.Context()); err == nil || !strings.Contains(err.Error(), statedir.EpochFile) {
		t.Errorf("a directory in the place of the epoch: %v", err)
	}
	if !m.dev.closed.Load() {
		t.Error("the device is left open")
	}
}

func TestASecondDaemonOfTheSameRunDirectoryIsRefusedAndTheFirstGoesOn(t *testing.T) {
	m, client := realTime(t)
	second, err := New(m.cfg, m.platform(), testLogger(t))
	must(t, err)
	if err := second.Run(t.Context()); !errors.Is(err, rundir.ErrRunning) {
		t.Errorf("Run = %v", err)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}
