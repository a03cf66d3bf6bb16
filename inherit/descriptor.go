package inherit

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// With calls do with the file's descriptor, which stays open meanwhile, and returns its error.
func With(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := conn.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil {
		return err
	}
	return done
}

// Detach returns a duplicate of the file's descriptor that Go's poller does not know, for the caller to close. It is
// close-on-exec. It is non-blocking, and with it all that share its open file description (fcntl(2)).
func Detach(f *os.File) (dup int, err error) {
	err = With(f, func(fd int) error {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("duplicate the descriptor: %w", err)
	}
	if err := unix.SetNonblock(dup, true); err != nil {
		unix.Close(dup)
		return -1, fmt.Errorf("make the descriptor non-blocking: %w", err)
	}
	return dup, nil
}

// Close closes all files; some may be closed already.
func Close(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
