package tun

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
)

// file is what the drivers share: the open descriptor, and the two ways in which it ends.
type file struct {
	name   string
	os     *os.File
	closed atomic.Bool
}

// ended reports whether an error of reading or writing means the end, and what to tell the caller.
func (f *file) ended(err error) (error, bool) {
	switch {
	case f.closed.Load():
		return fmt.Errorf("tun: %s: %w", f.name, os.ErrClosed), true
	case f.gone():
		return fmt.Errorf("tun: %s: %w", f.name, ErrGone), true
	case errors.Is(err, os.ErrClosed):
		return fmt.Errorf("tun: %s: %w", f.name, os.ErrClosed), true
	}
	return nil, false
}

// gone asks the kernel whether the descriptor still has an interface (EBADFD: it was deleted). The poller's own word for
// that is too vague to go by.
func (f *file) gone() bool {
	return errors.Is(inherit.With(f.os, func(fd int) error {
		ifr, err := unix.NewIfreq("")
		if err != nil {
			return err
		}
		return unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr)
	}), unix.EBADFD)
}
