package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program that was started in a namespace. It leads a process group of its own, so that a Ctrl-C at the terminal
// reaches only the lab's owner, and Kill reaches what the program started.
type Process struct {
	cmd   *exec.Cmd
	label string
	files string // path of the output files, without their endings
	done  chan struct{}

	mu     sync.Mutex // guards reaped: while it is false, the pid and the group are surely this program's
	reaped bool
}

// startProcess starts the command on the calling thread. With bound set, the process dies when that thread ends.
func startProcess(c Command, files string, bound bool) (*Process, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("no program given")
	}
	p := &Process{cmd: exec.Command(c.Args[0], c.Args[1:]...), label: c.label(), files: files, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Dir, p.cmd.Stdin = c.Dir, c.Stdin
	p.cmd.WaitDelay = time.Second // for a Stdin that still blocks when the program has ended
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if bound {
		p.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := p.launch(); err != nil {
		p.removeFiles()
		return nil, err
	}
	go p.reap()
	return p, nil
}

// launch opens the output files, which the child inherits, and starts it.
func (p *Process) launch() error {
	stdout, err := os.Create(p.StdoutFile())
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := os.Create(p.StderrFile())
	if err != nil {
		return err
	}
	defer stderr.Close()
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	return p.cmd.Start()
}

// reap waits for the end. It first waits without reaping, so that a signal sent under the lock never meets a reused pid.
func (p *Process) reap() {
	for {
		err := unix.Waitid(unix.P_PID, p.PID(), nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	p.cmd.Wait() // the result is in ProcessState
	p.reaped = true
	p.mu.Unlock()
	close(p.done)
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// State is how the program ended and what it used: processor time and memory. It is nil until Done is closed.
func (p *Process) State() *os.ProcessState {
	if !p.exited() {
		return nil
	}
	return p.cmd.ProcessState
}

// StdoutFile is the file that takes the program's standard output.
func (p *Process) StdoutFile() string { return p.files + ".out" }

// StderrFile is the file that takes the program's standard error.
func (p *Process) StderrFile() string { return p.files + ".err" }

// Stdout is what the program has written to standard output so far.
func (p *Process) Stdout() (string, error) { return p.read(p.StdoutFile()) }

// Stderr is what the program has written to standard error so far.
func (p *Process) Stderr() (string, error) { return p.read(p.StderrFile()) }

func (p *Process) read(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("lab: output of %s: %w", p.label, err)
	}
	return string(raw), nil
}

// Signal sends a signal to the program alone. It is an os.ErrProcessDone after the end.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("lab: signal %s: %w", p.label, err)
	}
	return nil
}

// Kill ends the program and its process group with SIGKILL. It does not wait; after the end it does nothing.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		unix.Kill(-p.PID(), unix.SIGKILL) // fails only for a group that has ended
	}
}

// Wait waits for the end of the program or of ctx. A program that failed is an *ExitError.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("lab: wait for %s: %w", p.label, context.Cause(ctx))
	}
	if p.cmd.ProcessState.Success() {
		return nil
	}
	stderr, _ := p.Stderr()
	return &ExitError{Args: p.cmd.Args, State: p.cmd.ProcessState.String(), Code: p.cmd.ProcessState.ExitCode(), Stderr: stderr}
}

// exited reports whether the program has ended.
func (p *Process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Process) removeFiles() {
	os.Remove(p.StdoutFile())
	os.Remove(p.StderrFile())
}

// ExitError is a program that ran and failed.
type ExitError struct {
	Args   []string
	State  string // "exit status 2", "signal: killed"
	Code   int    // -1: ended by a signal
	Stderr string // all that it wrote there
}

// Error is one line, with the last line of standard error as the reason.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("lab: %s: %s", strings.Join(e.Args, " "), e.State)
	if last := lastLine(e.Stderr); last != "" {
		text += ": " + last
	}
	return text
}

func lastLine(text string) string {
	trimmed := bytes.TrimSpace([]byte(text))
	return string(trimmed[bytes.LastIndexByte(trimmed, '\n')+1:])
}
