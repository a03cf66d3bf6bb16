package cnishim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// turnFile is beside the address book. Each operation locks one byte of it, that of its attachment; there is nothing in it.
const turnFile = "attachments.lock"

// turnPatience is how long an operation waits for its turn: longer than one that gets on takes, with all that it waits for itself, and short
// against a runtime that waits for DEL for as long as that takes.
var turnPatience = time.Minute

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
	taken, left := make(chan error), make(chan struct{})
	go func() {
		err := lockByte(f, a.key)
		select {
		case taken <- err:
		case <-left:
			f.Close()
		}
	}()
	select {
	case err := <-taken:
		warn(err)
		return func() { f.Close() }
	case <-time.After(turnPatience):
		close(left)
		warn(fmt.Errorf("another process has been adding or removing %s for %v: going on beside it", a.key, turnPatience))
		return func() {}
	}
}

// lockByte waits for the byte of an attachment. Two attachments of one byte wait for each other.
func lockByte(f *os.File, key ipam.Key) error {
	h := fnv.New64a()
	_, _ = io.WriteString(h, key.String())
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: int64(h.Sum64() >> 2), Len: 1}
	for {
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &lock); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
