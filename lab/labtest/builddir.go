package labtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// buildDirs is the beginning of the names of build directories.
const buildDirs = "weft-labtest-"

// buildDir is a directory that is this process's while it lives: a lock on it says so, which goes with the process however that
// ends.
type buildDir struct {
	path string
	lock *os.File
}

// newBuildDir makes one, and removes those of processes that were killed.
func newBuildDir() (*buildDir, error) {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), buildDirs+"*"))
	for _, path := range left {
		if d, err := lockDir(path); err == nil {
			d.remove()
		}
	}
	for {
		path, err := os.MkdirTemp("", buildDirs)
		if err != nil {
			return nil, err
		}
		d, err := lockDir(path)
		if !errors.Is(err, errNotOurs) {
			return d, err
		}
	}
}

// errNotOurs says that another process has the directory, or has removed it: it may take one that is not locked yet for left
// over.
var errNotOurs = errors.New("the directory is another's, or gone")

// lockDir takes a directory that nobody has.
func lockDir(path string) (*buildDir, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNotOurs
	}
	if err != nil {
		return nil, fmt.Errorf("lock build directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		_, err = os.Stat(path)
	}
	switch {
	case err == nil:
		return &buildDir{path, f}, nil
	case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, os.ErrNotExist): // it was removed after it was opened
		err = errNotOurs
	}
	f.Close()
	return nil, fmt.Errorf("lock build directory: %w", err)
}

func (d *buildDir) remove() {
	os.RemoveAll(d.path)
	d.lock.Close()
}
