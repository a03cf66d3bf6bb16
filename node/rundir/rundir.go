// Package rundir is the run directory of a daemon, by which commands find it and other daemons know of it: the lock, and the control
// socket. Both are made again where somebody deletes them.
package rundir

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

// RunDir is a run directory whose lock is held. It is used by one goroutine at a time.
type RunDir struct {
	dir     string
	lock    *os.File
	control *controlSocket // nil before Listen
	made    []string       // the directories that Open made, the lowest first
}

// LockName is the name of the lock in the run directory.
const LockName = "weft.lock"

// Open makes the directory if it must, and takes its lock, which ends with the process or with Close.
func Open(dir string) (*RunDir, error) {
	made := missingDirectories(dir)
	lock, err := lockFile(dir)
	if err != nil {
		return nil, err
	}
	return &RunDir{dir: dir, lock: lock, made: made}, nil
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

// Forget removes the directories that Open made, if nothing but the lock is in them. The lock must still be held.
func (r *RunDir) Forget() {
	if len(r.made) == 0 {
		return
	}
	os.Remove(r.lock.Name())
	for _, dir := range r.made {
		os.Remove(dir) // a file of somebody else keeps it
	}
}

// Lock makes sure that no daemon uses the run directory until unlock.
func Lock(dir string) (unlock func(), err error) {
	r, err := Open(dir)
	if err != nil {
		return nil, err
	}
	return r.Close, nil
}

// Dir is the directory.
func (r *RunDir) Dir() string { return r.dir }

// Close gives the lock back.
func (r *RunDir) Close() { r.lock.Close() }

// Listen opens the control socket at path, in the directory.
func (r *RunDir) Listen(path string) (net.Listener, error) {
	control, err := listenControl(path)
	if err != nil {
		return nil, err
	}
	r.control = control
	return control, nil
}

// Restore makes lock and socket again where somebody deleted them: else the daemon would run, and no command could find it.
// It returns whether it did. ErrRunning: another daemon was faster; then nothing is touched. Before Listen it does nothing.
func (r *RunDir) Restore() (restored bool, err error) {
	if r.control == nil {
		return false, nil
	}
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
func (r *RunDir) locked() bool {
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
		return nil, fmt.Errorf("rundir: make run_dir: %w", err)
	}
	path := filepath.Join(dir, LockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("rundir: lock run_dir: %w", err)
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
