package node

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrRunning says that another daemon holds the run directory or the state directory.
var ErrRunning = errors.New("weft is running already")

// runDir is by what commands find this daemon, and other daemons know of it: the lock on the run directory and the control
// socket in it. It is used by Run, and then by the keeper alone.
type runDir struct {
	dir     string
	lock    *os.File
	control *controlSocket // nil before listen
	made    []string       // the directories that openRunDir made, the lowest first
}

// lockName is the name of the lock in the run directory.
const lockName = "weft.lock"

// openRunDir makes the directory if it must, and takes its lock, which ends with the process or with close.
func openRunDir(dir string) (*runDir, error) {
	made := missingDirectories(dir)
	lock, err := lockFile(dir)
	if err != nil {
		return nil, err
	}
	return &runDir{dir: dir, lock: lock, made: made}, nil
}

// missingDirectories are the directory and those above it that are not there, the lowest first.
func missingDirectories(dir string) (list []string) {
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return list
		}
		list = append(list, dir)
	}
}

// forget removes the directories that openRunDir made, if nothing but the lock is in them. The lock must still be held.
func (r *runDir) forget() {
	if len(r.made) == 0 {
		return
	}
	os.Remove(r.lock.Name())
	for _, dir := range r.made {
		os.Remove(dir) // a file of somebody else keeps it
	}
}

// lockRunDir makes sure that no daemon uses the run directory until unlock.
func lockRunDir(dir string) (unlock func(), err error) {
	r, err := openRunDir(dir)
	if err != nil {
		return nil, err
	}
	return r.close, nil
}

func (r *runDir) close() { r.lock.Close() }

// listen opens the control socket at path, in the directory.
func (r *runDir) listen(path string) (net.Listener, error) {
	control, err := listenControl(path)
	if err != nil {
		return nil, err
	}
	r.control = control
	return control, nil
}

// restore makes lock and socket again where somebody deleted them: else the daemon would run, and no command could find it.
// It returns whether it did. ErrRunning: another daemon was faster; then nothing is touched.
func (r *runDir) restore() (restored bool, err error) {
	if !r.locked() {
		lock, err := lockFile(r.dir)
		if err != nil {
			return false, err
		}
		r.lock.Close()
		r.lock, restored = lock, true
	}
	again, err := r.control.restore()
	return restored || again, err
}

// locked reports whether the lock's file is still the one that others would lock.
func (r *runDir) locked() bool {
	held, err := r.lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(r.lock.Name())
	return err == nil && os.SameFile(held, there)
}

// lockFile takes the lock of the run directory and writes the process id into its file.
func lockFile(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("node: make run_dir: %w", err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("node: lock run_dir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		f.Close()
		return nil, fmt.Errorf("%w: process %s holds %s (stop it, or give this one another run_dir)", ErrRunning, strings.TrimSpace(string(holder)), path)
	}
	if err := f.Truncate(0); err == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return f, nil
}

// tidyRunDir keeps the daemon to be found, every tidyPeriod.
func (n *Node) tidyRunDir() {
	if n.runDir == nil || n.runDir.control == nil {
		return
	}
	restored, err := n.runDir.restore()
	if restored {
		n.log.Warn("node.rundir.restored", "dir", n.runDir.dir, "reason", "somebody deleted lock or socket")
	}
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	if n.state.problem("run_dir", reason) && err != nil {
		n.log.Error("node.rundir.lost", "dir", n.runDir.dir, "error", err)
	}
}
