package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Directory holds one directory for each run. It is on a file system that does not survive the machine, as the namespaces
// do not.
const Directory = "/run/weft-lab"

// registry is the directory of all runs. Its lock is held while a run begins or ends, by any process.
type registry struct {
	dir string
}

// runDir is where a run keeps its record, its processes and their output.
func (r registry) runDir(id string) string {
	return filepath.Join(r.dir, id)
}

// locked calls fn with the registry's lock and removes the registry afterwards if no run is left in it.
func (r registry) locked(fn func() error) error {
	lock, err := r.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	return errors.Join(fn(), r.tidy())
}

// lock takes the lock, which is on the directory itself: one that was removed while this process waited for it is made anew.
func (r registry) lock() (*os.File, error) {
	for {
		if err := os.MkdirAll(r.dir, 0o755); err != nil {
			return nil, fmt.Errorf("lab: make %s: %w", r.dir, err)
		}
		file, err := os.Open(r.dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lab: open %s: %w", r.dir, err)
		}
		if err := flock(file); err != nil {
			file.Close()
			return nil, fmt.Errorf("lab: lock %s: %w", r.dir, err)
		}
		if same(file, r.dir) {
			return file, nil
		}
		file.Close()
	}
}

// flock waits for the exclusive lock of an open file.
func flock(file *os.File) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// same reports whether the open file is what the path names now.
func same(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// begin makes the directory of a new run and its record. The lock is held. The directory is root's alone: programs may print
// secrets.
func (r registry) begin(id string, rec record) error {
	err := os.Mkdir(r.runDir(id), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("lab: id %q is in use", id)
	}
	if err != nil {
		return fmt.Errorf("lab: begin run: %w", err)
	}
	if err := errors.Join(rec.write(r.runDir(id)), prepareNames(r.dir)); err != nil {
		return errors.Join(err, os.RemoveAll(r.runDir(id)))
	}
	return nil
}

// ids lists the runs. A missing directory is an empty one.
func (r registry) ids() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab: list runs: %w", err)
	}
	var ids []string
	for _, entry := range entries {
		if entry.IsDir() && validID.MatchString(entry.Name()) {
			ids = append(ids, entry.Name())
		}
	}
	return ids, nil
}

// tidy removes the registry after its last run. The lock is held.
func (r registry) tidy() error {
	ids, err := r.ids()
	if err != nil || len(ids) > 0 {
		return err
	}
	if err := dropNames(r.dir); err != nil {
		return err
	}
	err = os.Remove(r.dir)
	if err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lab: remove %s: %w", r.dir, err)
	}
	return nil
}
