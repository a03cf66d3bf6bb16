// Package inherittest passes descriptors on as an earlier process does. It is for tests only.
package inherittest

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
)

// Pass duplicates descriptors, as another process gets them. They are closed at the end of the test.
func Pass(t testing.TB, kind string, fds ...int) (files []*os.File) {
	t.Helper()
	for i, fd := range fds {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(dup), inherit.Name(kind, i))
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files
}

// Null opens a descriptor that is neither a socket nor a device.
func Null(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Closed fails the test if a file is open.
func Closed(t testing.TB, files []*os.File) {
	t.Helper()
	for _, f := range files {
		if !errors.Is(f.Close(), os.ErrClosed) {
			t.Errorf("the inherited descriptor %s is still open", f.Name())
		}
	}
}
