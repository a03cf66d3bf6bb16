package install

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/weftnet/weft/atomicfile"
)

// replace puts contents at path with exactly these permissions, by a temporary file in the same directory; file and name are on the disk
// when it returns. The error is one line that names the file, and what to do where that is known.
func replace(path string, contents io.Reader, perm os.FileMode) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(perm))
	if err != nil {
		return unwritten(path, err)
	}
	if _, err = io.Copy(f, contents); err == nil {
		err = f.CloseAtomicallyReplace()
	}
	if err != nil {
		_ = f.Cleanup() // the reason is told
		return unwritten(path, err)
	}
	return syncDirectory(filepath.Dir(path))
}

func replaceBytes(path string, contents []byte, perm os.FileMode) error {
	return replace(path, bytes.NewReader(contents), perm)
}

// unwritten is err without the name of the temporary file. Where it is a lack of rights, two things help: to be root, and a directory that is
// root's, for service and container have no capability to write into those of others.
func unwritten(path string, err error) error {
	if reason := syscall.Errno(0); errors.As(err, &reason) {
		err = reason
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w (as root, and root must own %s: chown root)", err, filepath.Dir(path))
	}
	return fmt.Errorf("install: %w", &atomicfile.Error{Path: path, Err: err})
}

// keepAside gives what is at path a second name, so that the first one is never without a file. What had that second name is gone: it was
// what was there before, and is not any more.
func keepAside(path, aside string) error {
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unwritten(aside, err)
	}
	err := os.Link(path, aside)                                              // of a symbolic link, too: link(2) does not follow it
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EOPNOTSUPP) { // another user's (fs.protected_hardlinks), or a simple file system
		err = os.Rename(path, aside)
	}
	if err != nil {
		return unwritten(aside, err)
	}
	return nil
}

// takeBack makes path what it was before weft placed something there: what was kept aside, or nothing.
func takeBack(path, aside string) error {
	err := os.Rename(aside, path)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unwritten(path, err)
	}
	return syncDirectory(filepath.Dir(path))
}

// missing are the directories that are not there, of path and those above it, outer ones first.
func missing(path string) (list []string) {
	for dir := path; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return list
		}
		list = append([]string{dir}, list...)
	}
}

// makeDirectory makes one directory that everybody can read, whatever the umask.
func makeDirectory(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return unwritten(dir, err)
	}
	return nil
}

// syncDirectory brings the names in a directory to the disk. A directory that is gone has none.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("install: sync %s: %w", path, err)
	}
	return nil
}
