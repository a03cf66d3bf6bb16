// Package atomicfile writes small files as a whole or not at all, and says what to do where the file system does not take
// them.
//
// Words. A leftover is the temporary file of a process that was killed while it wrote.
//
// Always. Whoever reads a file sees its old contents or its new ones, also after a crash of the machine. The temporary file
// lies beside the file: what may be a key is never in a directory that others use.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
)

// Write replaces the file at path, or makes it with perm less the umask; a file that is there keeps its permissions. The
// directory must be there. After an error, which is an *Error, the file is as it was, and nothing is left beside it.
func Write(path string, contents []byte, perm os.FileMode) error {
	if err := renameio.WriteFile(path, contents, perm, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return &Error{Path: path, Err: cause(err)}
	}
	return nil
}

// RemoveLeftovers removes what processes that were killed in Write have left beside the files of these names in dir. None of
// them may be written meanwhile.
func RemoveLeftovers(dir string, names ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	var failed error
	for _, e := range entries {
		if e.Type().IsRegular() && leftover(e.Name(), names) {
			failed = errors.Join(failed, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return failed
}

// leftover reports whether name is a temporary file of one of names: renameio puts a dot before and a number behind.
func leftover(name string, names []string) bool {
	for _, n := range names {
		number, ok := strings.CutPrefix(name, "."+n)
		if ok && number != "" && strings.Trim(number, "0123456789") == "" {
			return true
		}
	}
	return false
}

// Error is a file that could not be written. It names the file and not the temporary one, so that the same failure reads the
// same each time.
type Error struct {
	Path string
	Err  error // the kernel's reason, such as syscall.ENOSPC, where it gave one
}

// Error is one line, with what to do about it where that is known.
func (e *Error) Error() string {
	text := fmt.Sprintf("write %s: %v", e.Path, e.Err)
	for reason, remedy := range remedies {
		if errors.Is(e.Err, reason) {
			return text + " (" + remedy + ")"
		}
	}
	return text
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

var remedies = map[syscall.Errno]string{
	syscall.ENOSPC: "make room on that file system",
	syscall.EDQUOT: "raise the quota, or make room",
	syscall.EROFS:  "mount it for writing, or use another directory",
	syscall.ENOENT: "make the directory again",
}

// cause is the kernel's reason without the path of the temporary file.
func cause(err error) error {
	if reason := syscall.Errno(0); errors.As(err, &reason) {
		return reason
	}
	if path := new(fs.PathError); errors.As(err, &path) {
		return path.Err
	}
	return err
}
