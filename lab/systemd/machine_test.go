package systemd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
)

// patience bounds every wait for something that should take a second or so.
const patience = 60 * time.Second

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestAMachineRunsServicesAndLeavesNothing(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	l, err := lab.New(t.Context(), lab.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	host, err := l.Host("vm-1")
	check(t, err)
	m, err := Boot(within(t), host)
	check(t, err)
	group := m.groups.path

	const file = "/etc/systemd/system/of-the-machine.service"
	unit := "[Service]\nExecStart=sleep 1000\nProtectSystem=strict\nPrivateTmp=yes\n"
	_, err = m.Shell(within(t), "/", "cat >"+file, strings.NewReader(unit))
	check(t, err)
	_, err = m.Run(within(t), "systemctl", "start", "of-the-machine")
	check(t, err)
	check(t, m.Await(within(t), "of-the-machine", "ActiveState", "active"))
	failed, err := m.Run(within(t), "systemctl", "list-units", "--failed", "--no-legend", "--plain")
	if err != nil || failed != "" {
		t.Errorf("units failed: %s %v", failed, err)
	}
	if exit := new(lab.ExitError); !errors.As(run(m, t, "false"), &exit) {
		t.Error("a program that fails in the machine does not fail here")
	}

	check(t, os.WriteFile(SharedDir(host)+"/there", nil, 0o644))
	check(t, run(m, t, "mv", Shared+"/there", Shared+"/back"))
	if _, err := os.Stat(SharedDir(host) + "/back"); err != nil {
		t.Errorf("what the machine writes into the shared directory: %v", err)
	}

	check(t, m.Close())
	check(t, m.Close()) // again: nothing
	for _, path := range []string{file, group} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if err := run(m, t, "true"); err == nil {
		t.Error("a program runs in a machine that is closed")
	}
}

func run(m *Machine, t *testing.T, args ...string) error {
	_, err := m.Run(within(t), args...)
	return err
}
