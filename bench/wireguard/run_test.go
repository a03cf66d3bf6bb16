package wireguard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

const (
	mtu = 1380
	key = "private_key=e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a\n" // of the protocol's documentation
)

// interrupted ends when somebody stops the tests.
var interrupted context.Context

// TestMain also plays 'weft bench-wireguard': the device needs a process of its own in its namespace.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == Command {
		if err := Run(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	interrupted = ctx
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// testHost makes a host of a lab that is closed with the test.
func testHost(t *testing.T) *lab.Host {
	t.Helper()
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip(err)
	}
	return labtest.Host(t, labtest.Lab(interrupted, t, lab.Options{}), "a")
}

// start runs the command on the host.
func start(t *testing.T, host *lab.Host, c Config) *lab.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p, err := host.StartCommand(lab.Command{Args: []string{self, Command}, Stdin: strings.NewReader(string(text))})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// startReady is start, and waits until the device is up.
func startReady(t *testing.T, host *lab.Host) *lab.Process {
	t.Helper()
	p := start(t, host, Config{Device: "wg0", MTU: mtu, UAPI: key})
	ctx := soon(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		text, err := p.Stdout()
		if err != nil {
			t.Fatal(err)
		}
		if text == Ready+"\n" {
			return p
		}
		select {
		case <-p.Done():
			t.Fatalf("it ended: %v", p.Wait(ctx))
		case <-ctx.Done():
			t.Fatalf("it said %q, want it to be ready", text)
		case <-tick.C:
		}
	}
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(interrupted, 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// has reports whether the host has an interface wg0.
func has(t *testing.T, host *lab.Host) bool {
	t.Helper()
	var text []byte
	err := host.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/dev")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "wg0:")
}

func TestTheDeviceIsThereWhenItSaysReadyAndGoneWhenItEnds(t *testing.T) {
	host := testHost(t)
	p := startReady(t, host)
	if !has(t, host) {
		t.Error("there is no wg0, though it is ready")
	}
	text, err := host.Run(soon(t), "ip", "link", "show", "wg0")
	if err != nil || !strings.Contains(text, fmt.Sprintf("mtu %d ", mtu)) {
		t.Errorf("%v, %s: want MTU %d", err, text, mtu)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(soon(t)); err != nil {
		t.Errorf("it ended with %v, want success", err)
	}
	if has(t, host) {
		t.Error("wg0 is left")
	}
}

func TestADeviceThatSomebodyRemovesEndsTheRun(t *testing.T) {
	host := testHost(t)
	p := startReady(t, host)
	if _, err := host.Run(soon(t), "ip", "link", "del", "wg0"); err != nil {
		t.Fatal(err)
	}
	err := p.Wait(soon(t))
	if exit, failed := errors.AsType[*lab.ExitError](err); !failed || exit.Code != 1 || !strings.Contains(exit.Stderr, ErrGone.Error()) {
		t.Errorf("%v, want it to say that the device is gone", err)
	}
}

func TestAKeyThatIsNoneIsRefusedAndNoDeviceIsLeft(t *testing.T) {
	host := testHost(t)
	p := start(t, host, Config{Device: "wg0", MTU: mtu, UAPI: "private_key=short\n"})
	err := p.Wait(soon(t))
	if exit, failed := errors.AsType[*lab.ExitError](err); !failed || exit.Code != 1 || !strings.Contains(exit.Stderr, "configure wg0") {
		t.Errorf("%v, want the configuration to be refused", err)
	}
	if text, err := p.Stdout(); err != nil || text != "" {
		t.Errorf("it said %q, %v, want nothing", text, err)
	}
	if has(t, host) {
		t.Error("wg0 is left")
	}
}
