package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// interrupted ends when somebody stops the tests: the labs that stand then are closed in order, and no more are made.
var interrupted context.Context

// TestMain also plays the owner of a lab that a test kills; see owner_test.go.
func TestMain(m *testing.M) {
	if os.Getenv(firstThreadVariable) != "" {
		os.Exit(playFirstThread())
	}
	if id := os.Getenv(ownerVariable); id != "" {
		if err := playOwner(id, os.Getenv(ownerKeeps) != ""); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	interrupted = ctx
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// testLab makes a lab that is closed with the test, or skips with the reason why there can be none.
func testLab(t *testing.T, o Options) *Lab {
	t.Helper()
	needLab(t)
	l, err := New(interrupted, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		assertGone(t, l.ID())
	})
	return l
}

func needLab(t *testing.T) {
	t.Helper()
	if interrupted.Err() != nil {
		t.Fatal("interrupted")
	}
	if err := Available(); err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("ping"); err != nil {
		t.Skip("ping is not installed: run scripts/setup.sh")
	}
}

// testHosts adds hosts to a lab.
func testHosts(t *testing.T, l *Lab, names ...string) []*Host {
	t.Helper()
	var hosts []*Host
	for _, name := range names {
		h, err := l.Host(name)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// assertGone fails if anything of a run is left.
func assertGone(t *testing.T, id string) {
	t.Helper()
	names, err := namesOf(id)
	if err != nil || len(names) > 0 {
		t.Errorf("namespaces left: %v, %v", names, err)
	}
	if _, err := os.Stat(registry{Directory}.runDir(id)); err == nil {
		t.Errorf("the directory of run %s is left", id)
	}
}

// soon is a context for what takes milliseconds on an idle machine.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// pings reports whether an echo is answered. It gives the machine time: it is asked where the answer should come.
func pings(t *testing.T, from *Namespace, to netip.Addr) bool {
	t.Helper()
	return echo(t, from, to, "5")
}

// silent reports whether an echo stays unanswered. It waits long for an answer inside one machine, and no longer.
func silent(t *testing.T, from *Namespace, to netip.Addr) bool {
	t.Helper()
	return !echo(t, from, to, "0.2")
}

// echo sends one and waits for its answer for some seconds.
func echo(t *testing.T, from *Namespace, to netip.Addr, seconds string) bool {
	t.Helper()
	_, err := from.Run(soon(t), "ping", "-n", "-c1", "-W"+seconds, to.String())
	if _, failed := errors.AsType[*ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	return err == nil
}

// awaitPing waits until an echo is answered.
func awaitPing(t *testing.T, from *Namespace, to netip.Addr) {
	t.Helper()
	await(t, fmt.Sprintf("%s reaches %s", from.Name(), to), func() bool { return echo(t, from, to, "0.2") })
}

// await waits until the condition holds. The condition is asked about once in a millisecond.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx := soon(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("did not happen: %s", what)
		case <-tick.C:
		}
	}
}
