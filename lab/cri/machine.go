package cri

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// Machine is a host of a lab with processes and mounts of its own.
type Machine struct {
	*lab.Host
	dir    string // where its root is mounted, in its own namespace
	boot   *lab.Process
	init   int // its first process, the child of boot, as this one sees it
	groups groups
}

//go:embed boot.sh
var bootScript string

// Boot makes a machine of a host. Close it before the lab. The error wraps ErrUnavailable where the kernel, or what this process may
// do, does not suffice.
func Boot(ctx context.Context, host *lab.Host) (*Machine, error) {
	m := &Machine{Host: host, dir: filepath.Join(host.Dir(), "machine"), groups: groups(host.FullName())}
	if err := os.MkdirAll(filepath.Join(m.dir, "root"), 0o755); err != nil {
		return nil, fmt.Errorf("cri: make directories: %w", err)
	}
	sweepGroups()
	if err := m.groups.make(); err != nil {
		return nil, err
	}
	var err error
	if m.boot, err = host.Start("bash", "-c", bootScript, "boot", string(m.groups), m.dir); err == nil {
		err = m.await(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cri: boot %s: %w", host.Name(), err), m.Close())
	}
	return m, nil
}

// await waits until the first process has made everything ready.
func (m *Machine) await(ctx context.Context) error {
	return Poll(ctx, func() error {
		if Ended(m.boot) {
			text, _ := m.boot.Stderr()
			return Hopeless(fmt.Errorf("%w: it ended: %s", ErrUnavailable, strings.TrimSpace(text)))
		}
		text, err := os.ReadFile(filepath.Join(m.dir, "pid"))
		if err != nil {
			return err
		}
		m.init, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err
	})
}

// Group is the control group below which all of the machine's containers have theirs.
func (m *Machine) Group() string { return string(m.groups) }

// PID is the machine's first process, as this process sees it.
func (m *Machine) PID() int { return m.init }

// Path is a file of the machine as this process sees it, while the machine runs.
func (m *Machine) Path(file string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", m.init), file)
}

// WriteFile writes a file of the machine, and makes the directories above it.
func (m *Machine) WriteFile(path string, raw []byte, mode os.FileMode) error {
	if err := os.MkdirAll(m.Path(filepath.Dir(path)), 0o755); err != nil {
		return fmt.Errorf("cri: write %s on %s: %w", path, m.Name(), err)
	}
	if err := os.WriteFile(m.Path(path), raw, mode); err != nil {
		return fmt.Errorf("cri: write %s on %s: %w", path, m.Name(), err)
	}
	return nil
}

// inside puts a program into the namespaces of the machine. That of the network is the host's, where it is started.
func (m *Machine) inside(c lab.Command) lab.Command {
	c.Args = append([]string{"nsenter", "--target", strconv.Itoa(m.init), "--mount", "--ipc", "--pid", "--"}, c.Args...)
	c.Dir = "/"
	return c
}

// StartCommand starts a program on the machine; see lab.Namespace.StartCommand. The process is nsenter, the program its child:
// Terminate reaches the program.
func (m *Machine) StartCommand(c lab.Command) (*lab.Process, error) {
	return m.Host.StartCommand(m.inside(c))
}

// Start is StartCommand without its details.
func (m *Machine) Start(args ...string) (*lab.Process, error) {
	return m.StartCommand(lab.Command{Args: args})
}

// RunCommand runs a program on the machine to its end; see lab.Namespace.RunCommand.
func (m *Machine) RunCommand(ctx context.Context, c lab.Command) (stdout string, err error) {
	return m.Host.RunCommand(ctx, m.inside(c))
}

// Run is RunCommand without its details.
func (m *Machine) Run(ctx context.Context, args ...string) (stdout string, err error) {
	return m.RunCommand(ctx, lab.Command{Args: args})
}

// Terminate sends SIGTERM to a program that Start started on a machine, and waits for its end.
func (m *Machine) Terminate(ctx context.Context, p *lab.Process) error {
	child, err := childOf(p.PID())
	if err != nil {
		return err
	}
	if err := unix.Kill(child, unix.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cri: end process %d: %w", child, err)
	}
	return p.Wait(ctx)
}

// childOf is the process that another has started.
func childOf(parent int) (int, error) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ") // proc_pid_stat(5): (comm) state ppid
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, fmt.Errorf("cri: process %d has no child", parent)
}

// Close ends everything that runs on the machine, waits for that, and removes its control groups. It may be called again.
func (m *Machine) Close() error {
	if err := m.end(); err != nil {
		return fmt.Errorf("cri: end %s: %w", m.Name(), err)
	}
	return m.groups.close()
}

// end kills the first process. Its parent, which is boot, sees it end when the kernel has ended all others on the machine:
// zap_pid_ns_processes in kernel/pid_namespace.c.
func (m *Machine) end() error {
	if m.boot == nil || Ended(m.boot) {
		return nil
	}
	if m.init == 0 {
		m.boot.Kill()
	} else if err := unix.Kill(m.init, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	err := m.boot.Wait(ctx)
	if exit := new(lab.ExitError); errors.As(err, &exit) {
		return nil // by the signal
	}
	return err
}
