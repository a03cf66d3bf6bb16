package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is one network namespace of a lab, with a thread of its own. Its processes see their name as the hostname.
type Namespace struct {
	lab    *Lab
	name   string // within the lab
	thread *thread
	handle netns.NsHandle
	links  *netlink.Handle // a netlink socket inside the namespace

	mu        sync.Mutex // guards what follows
	processes []*Process
	started   int  // counts processes, for the names of their files
	closed    bool // no more processes
}

// newNamespace makes a named namespace with loopback up and the settings given.
func newNamespace(l *Lab, name string, settings ...[]setting) (*Namespace, error) {
	n := &Namespace{lab: l, name: name, handle: netns.None()}
	var err error
	n.thread, err = startThread(func() error { return n.enter(settings) })
	if err != nil {
		n.release()
		if !errors.Is(err, fs.ErrExist) { // somebody else's otherwise
			err = errors.Join(err, removeName(n.FullName()))
		}
		return nil, fmt.Errorf("lab: make namespace %s: %w", n.FullName(), err)
	}
	return n, nil
}

// enter runs on the namespace's thread and makes the namespace around it.
func (n *Namespace) enter(settings [][]setting) (err error) {
	if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("unshare hostname: %w", err)
	}
	if err := unix.Sethostname([]byte(n.name)); err != nil {
		return fmt.Errorf("set hostname: %w", err)
	}
	if err := os.MkdirAll(n.Dir(), 0o755); err != nil {
		return err
	}
	if n.handle, err = netns.NewNamed(n.FullName()); err != nil {
		n.handle = netns.None()
		return err
	}
	for _, group := range settings {
		if err := apply(group); err != nil {
			return err
		}
	}
	if n.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	return n.up("lo")
}

// Name is the name within the lab: that of the host, or of host and pod joined by a hyphen.
func (n *Namespace) Name() string { return n.name }

// FullName is the name that `ip netns` shows, weft-ID-NAME.
func (n *Namespace) FullName() string { return namespaceName(n.lab.id, n.name) }

// Dir is a directory for the files of this namespace's processes. It goes with the lab. It lies in memory (/run): for
// configurations, state and sockets, not for bulk.
func (n *Namespace) Dir() string { return filepath.Join(n.lab.dir, n.name) }

// Do calls fn on a thread inside the namespace, in the caller's goroutine, and returns its error. Sockets that fn makes stay
// in the namespace for their life; goroutines that fn starts run outside of it. Calls may be nested.
func (n *Namespace) Do(fn func() error) (err error) {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: enter %s: %w", n.name, err)
	}
	defer home.Close()
	if err := n.enterThread(); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: enter %s: %w", n.name, err)
	}
	defer func() {
		if back := netns.Set(home); back != nil {
			// The thread stays locked, so that it ends with this goroutine and nothing else runs on it by mistake.
			err = errors.Join(err, fmt.Errorf("lab: leave %s: %w", n.name, back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return fn()
}

// enterThread moves the calling thread into the namespace, unless the lab has been closed.
func (n *Namespace) enterThread() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errEnded
	}
	return netns.Set(n.handle)
}

// Start starts a program in the namespace; see StartCommand.
func (n *Namespace) Start(args ...string) (*Process, error) {
	return n.StartCommand(Command{Args: args})
}

// Run runs a program to its end and returns what it wrote to standard output. A program that fails is an *ExitError.
// When ctx ends first the program is killed with all of its process group.
func (n *Namespace) Run(ctx context.Context, args ...string) (stdout string, err error) {
	return n.RunCommand(ctx, Command{Args: args})
}

// StartCommand starts a program in the namespace. It runs until it ends by itself, is killed, the lab's context ends or the
// lab is closed.
func (n *Namespace) StartCommand(c Command) (*Process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("lab: start %s in %s: %w", c.label(), n.name, errEnded)
	}
	n.started++
	var p *Process
	err := n.thread.call(func() (err error) {
		p, err = startProcess(c, n.outputs(c), !n.lab.keep)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lab: start %s in %s: %w", c.label(), n.name, err)
	}
	n.processes = append(n.processes, p)
	if err := n.lab.journal.add(p.PID()); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// outputs names the files of the process that starts now, without their endings.
func (n *Namespace) outputs(c Command) string {
	return filepath.Join(n.Dir(), fmt.Sprintf("%03d-%s", n.started, c.label()))
}

// RunCommand is Run with all that a Command can say. The files of the output are removed when it returns.
func (n *Namespace) RunCommand(ctx context.Context, c Command) (stdout string, err error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("lab: run %s in %s: %w", c.label(), n.name, err)
	}
	p, err := n.StartCommand(c)
	if err != nil {
		return "", err
	}
	err = p.Wait(ctx)
	if ctx.Err() != nil && !p.exited() {
		p.Kill()
		<-p.Done()
	}
	stdout, unread := p.Stdout()
	n.drop(p)
	if err == nil {
		err = unread
	}
	return stdout, err
}

// drop forgets an ended process and removes its files.
func (n *Namespace) drop(p *Process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, other := range n.processes {
		if other == p {
			n.processes = append(n.processes[:i], n.processes[i+1:]...)
			break
		}
	}
	p.removeFiles()
}

// kill ends the processes and lets no new ones start. It does not wait.
func (n *Namespace) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, p := range n.processes {
		p.Kill()
	}
}

// wait waits until the deadline for the killed processes.
func (n *Namespace) wait(deadline time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	for _, p := range n.processes {
		select {
		case <-p.Done():
		case <-timeout.C:
			return fmt.Errorf("lab: process %d (%s) in %s does not end", p.PID(), p.label, n.name)
		}
	}
	return nil
}

// release gives back what this process holds of the namespace; the name stays.
func (n *Namespace) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	if n.thread != nil {
		n.thread.end()
		n.thread = nil
	}
	if n.links != nil {
		n.links.Close()
		n.links = nil
	}
	if n.handle.IsOpen() {
		n.handle.Close()
	}
}
