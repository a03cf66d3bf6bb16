// Package systemd boots a real systemd as PID 1 on a virtual host of a lab, so that units, packages and the descriptor store can
// be tested as they are.
//
// Words. A Machine is a host of the lab with namespaces of its own for processes, mounts, names and control groups. Its root is
// this machine's, copy-on-write in memory: whatever is installed in it is gone with it. Of the units that a boot usually starts
// only the journal is left; everything else runs when it is started.
//
// Always. Nothing outside changes: no file, no setting of the kernel that is not the host's own network namespace, no control
// group once the Machine is closed.
package systemd

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weftnet/weft/lab"
)

// program is where distributions put systemd itself.
const program = "/usr/lib/systemd/systemd"

// ErrUnavailable says what is missing for a Machine.
var ErrUnavailable = errors.New("systemd cannot be booted here")

// Available says whether this machine can boot one: nil, or what is missing. A kernel may still refuse.
func Available() error {
	if err := lab.Available(); err != nil {
		return err
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%w: %w: run scripts/setup.sh", ErrUnavailable, err)
	}
	for _, tool := range []string{"unshare", "nsenter", "pivot_root", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	kinds, err := os.ReadFile("/proc/filesystems")
	if err != nil || !strings.Contains(string(kinds), "\toverlay\n") || !strings.Contains(string(kinds), "\tcgroup2\n") {
		return fmt.Errorf("%w: the kernel has no overlay file system, or no cgroup2", ErrUnavailable)
	}
	return nil
}

// Machine is a host of a lab on which systemd runs.
type Machine struct {
	host   *lab.Host
	dir    string // of its own: where its root is mounted, in its namespace
	init   int    // systemd's process, as this one sees it
	groups *groups
}

//go:embed boot.sh
var bootScript string

// Boot starts systemd on a host and waits until it takes orders. Close it before the lab.
func Boot(ctx context.Context, host *lab.Host) (*Machine, error) {
	m := &Machine{host: host, dir: filepath.Join(host.Dir(), "systemd")}
	shared := SharedDir(host)
	err := errors.Join(os.MkdirAll(filepath.Join(m.dir, "root"), 0o755), os.MkdirAll(shared, 0o755))
	if err != nil {
		return nil, fmt.Errorf("systemd: make directories: %w", err)
	}
	if m.groups, err = newGroups(host.FullName()); err != nil {
		return nil, err
	}
	p, err := host.Start("bash", "-c", bootScript, "boot", host.Name(), m.dir, shared, m.groups.path, program)
	if err == nil {
		err = m.await(ctx, p)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("systemd: boot %s: %w", host.Name(), err), m.Close())
	}
	return m, nil
}

// await waits until systemd has started what it starts by itself.
func (m *Machine) await(ctx context.Context, p *lab.Process) error {
	return poll(ctx, func() (done bool, why error) {
		select {
		case <-p.Done():
			text, _ := p.Stderr()
			return true, fmt.Errorf("%w: it ended: %s", ErrUnavailable, strings.TrimSpace(text))
		default:
		}
		if m.init == 0 {
			text, err := os.ReadFile(filepath.Join(m.dir, "pid"))
			if err != nil {
				return false, err
			}
			m.init, err = strconv.Atoi(strings.TrimSpace(string(text)))
			return false, err
		}
		state, err := m.Run(ctx, "systemctl", "is-active", "basic.target")
		return err == nil, fmt.Errorf("basic.target is %s: %w", strings.TrimSpace(state), err)
	})
}

// poll calls ready every 20 ms until it is done, and returns why if it says so, or if ctx ends first.
func poll(ctx context.Context, ready func() (done bool, why error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done, why := ready()
		if done {
			if errors.Is(why, ErrUnavailable) {
				return why
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), why)
		case <-tick.C:
		}
	}
}

// Host is the host that the machine is.
func (m *Machine) Host() *lab.Host { return m.host }

// Directories of a machine.
const (
	Upper  = "/run/upper"  // everything that it changed in its root
	Shared = "/run/shared" // what all machines of the lab share, and SharedDir is outside
)

// SharedDir is Shared as this process sees it. What else this process writes after the boot, a machine need not see.
func SharedDir(host *lab.Host) string { return filepath.Join(filepath.Dir(host.Dir()), "shared") }

// inside puts a program into all namespaces of the machine.
func (m *Machine) inside(args []string) []string {
	return append([]string{
		"nsenter", "--target", strconv.Itoa(m.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--",
	}, args...)
}

// Run runs a program in the machine to its end and returns what it wrote to standard output. A program that fails is a
// *lab.ExitError.
func (m *Machine) Run(ctx context.Context, args ...string) (stdout string, err error) {
	return m.host.RunCommand(ctx, lab.Command{Args: m.inside(args), Dir: "/"})
}

// Shell runs a script of bash in the machine, in directory dir.
func (m *Machine) Shell(ctx context.Context, dir, script string, stdin io.Reader) (stdout string, err error) {
	return m.host.RunCommand(ctx, lab.Command{Args: m.inside([]string{"bash", "-c", "cd \"$1\"\n" + script, "bash", dir}), Stdin: stdin})
}

// PID is the process outside that has a number in the machine.
func (m *Machine) PID(inside string) (int, error) {
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", m.init))
	if err != nil {
		return 0, fmt.Errorf("systemd: %w", err)
	}
	files, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range files {
		process := filepath.Dir(file)
		if link, _ := os.Readlink(filepath.Join(process, "ns/pid")); link != space {
			continue
		}
		text, _ := os.ReadFile(file)
		_, after, _ := strings.Cut(string(text), "\nNSpid:") // proc_pid_status(5): its numbers, the innermost last
		line, _, _ := strings.Cut(after, "\n")
		if numbers := strings.Fields(line); len(numbers) > 0 && numbers[len(numbers)-1] == inside {
			return strconv.Atoi(filepath.Base(process))
		}
	}
	return 0, fmt.Errorf("systemd: no process %s in %s", inside, m.host.Name())
}

// Property is a property of a unit, as 'systemctl show' has it.
func (m *Machine) Property(ctx context.Context, unit, name string) (string, error) {
	text, err := m.Run(ctx, "systemctl", "show", "--value", "--property="+name, unit)
	return strings.TrimSpace(text), err
}

// Await waits until a unit's property is the one wanted.
func (m *Machine) Await(ctx context.Context, unit, name, want string) error {
	return poll(ctx, func() (bool, error) {
		got, err := m.Property(ctx, unit, name)
		return err == nil && got == want, fmt.Errorf("%s of %s is %q, want %q: %w", name, unit, got, want, err)
	})
}

// Close ends systemd and everything in it, and removes its control groups.
func (m *Machine) Close() error { return m.groups.close() }
