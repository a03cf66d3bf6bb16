package cnishim

import (
	"errors"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// turnFile is beside the address book. Each operation locks one byte of it, that of its attachment; there is nothing in it.
const turnFile = "attachments.lock"

// turn waits until no other process adds or removes the attachment, and is over with the function that it returns, or with the process. No
// runtime is to call two operations of one attachment at once (SPEC.md, Lifecycle & Ordering); of one that does, what the one makes the
// other would take away in part. Where the file cannot be made nobody waits: ADD fails there, and DEL is not to.
func (a *attachment) turn(book *ipam.Book) (end func()) {
	folder := filepath.Dir(book.Path())
	if a.lease.Subnets != nil { // DEL makes nothing where weft is gone
		_ = os.MkdirAll(folder, 0o700)
	}
	f, err := os.OpenFile(filepath.Join(folder, turnFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return func() {}
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, a.key.String())
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: int64(h.Sum64() >> 2), Len: 1} // two keys of one byte wait for each other
	for {
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &lock); !errors.Is(err, unix.EINTR) {
			warn(err)
			return func() { f.Close() }
		}
	}
}
