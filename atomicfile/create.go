package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Create makes the file at path with perm less the umask, unless something is there, be it a symbolic link that leads nowhere: then the
// error wraps fs.ErrExist, and what is there stays, whoever made it and when. Of several that create one path at once one succeeds. The
// directory must be there. After an error, which is an *Error, nothing is left beside it.
func Create(path string, contents []byte, perm os.FileMode) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(perm))
	if err != nil {
		return &Error{Path: path, Err: cause(err)}
	}
	temporary := f.Name()
	if _, err = f.Write(contents); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = moveNew(temporary, path)
	}
	if err != nil {
		_ = f.Cleanup() // the reason is told
		return &Error{Path: path, Err: cause(err)}
	}
	if err := f.Close(); err != nil {
		return &Error{Path: path, Err: cause(err)}
	}
	return nil
}

// moveNew gives a file another name that nothing has: renameat2(2) with RENAME_NOREPLACE (Linux 3.15), and where the file system does
// not know that, as NFS does not, link(2), which does not replace either.
func moveNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	if err := os.Link(from, to); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	return os.Remove(from)
}
