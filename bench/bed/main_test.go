package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weftnet/weft/bench/wireguard"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// interrupted ends when somebody stops the tests: the beds that stand then are closed in order, and no more are made.
var interrupted context.Context

// TestMain also plays 'weft bench-wireguard', so that a bed can start this very program.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if slices.Contains(os.Args, wireguard.Command) {
		if err := wireguard.Run(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	interrupted = ctx
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		labtest.Remove()
		os.Exit(code)
	}))
}

// binary is the executable that a subject starts.
func binary(t *testing.T, s Subject) string {
	t.Helper()
	if _, ok := s.(weft); ok {
		return labtest.Weft(t)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// soon is a context for what takes a second or so. It is no measure of speed.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(interrupted, 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// needLab skips where there can be no labs, and where the subject cannot run.
func needLab(t *testing.T, s Subject) {
	t.Helper()
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	if err := interrupted.Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Unavailable(soon(t)); err != nil {
		t.Skip(err)
	}
}

// testBed makes a bed that is closed with the test, after which nothing of it may be left.
func testBed(t *testing.T, o Options, s Subject) *Bed {
	t.Helper()
	needLab(t, s)
	if o.Binary == "" {
		o.Binary = binary(t, s)
	}
	b, err := New(interrupted, o, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pids := b.Running.Routers()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		assertGone(t, b.ID(), pids)
	})
	return b
}

// assertGone fails if a namespace, a directory or a process of a bed is left.
func assertGone(t *testing.T, id string, pids []int) {
	t.Helper()
	names, err := os.ReadDir("/run/netns")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name.Name(), "weft-"+id+"-") {
			t.Errorf("namespace %s is left", name.Name())
		}
	}
	if _, err := os.Stat(filepath.Join(lab.Directory, id)); err == nil {
		t.Errorf("the directory of bed %s is left", id)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d is left", pid)
		}
	}
}

// await waits until the condition holds; it is asked about every few milliseconds.
func await(t *testing.T, what string, holds func() error) {
	t.Helper()
	ctx := soon(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("did not happen: %s: %v", what, err)
		case <-tick.C:
		}
	}
}
