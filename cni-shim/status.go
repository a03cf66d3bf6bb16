package cnishim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/pkg/skel"
	"golang.org/x/sys/unix"
)

// nodeStatus says whether an ADD would find what it needs: the lease, and an address book that can be read and written. It asks the kernel
// for nothing of the network, so that it takes as long with many pods as with none.
func nodeStatus(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	l, err := leased(c.RunDir, codeNotReady, statusPatience)
	if err != nil {
		return err
	}
	book, err := openBook(c, l)
	if err != nil {
		return err
	}
	if _, err := book.Records(); err != nil {
		return fail(codeNotReady, "%v", err)
	}
	if err := writable(book.Path()); err != nil {
		return fail(codeNotReady, "address book %s cannot be written: %v", book.Path(), err)
	}
	return nil
}

// moreBook is more than a pod adds to the book.
const moreBook = 4 << 10

// writable reports whether a file can be replaced by one that is a little longer, of which the file or its folder may not be there yet:
// whether the file system takes changes and has room for it. It changes nothing.
func writable(path string) error {
	need := uint64(moreBook)
	if info, err := os.Stat(path); err == nil {
		need += uint64(info.Size())
	}
	dir := nearest(filepath.Dir(path))
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	// Some file systems count no blocks, or no files.
	if s.Blocks > 0 && s.Bfree*uint64(s.Bsize) < need || s.Files > 0 && s.Ffree == 0 {
		return fmt.Errorf("%s: %w (make room on that file system)", dir, unix.ENOSPC)
	}
	return nil
}

// nearest is a folder, or what there is of its path.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
