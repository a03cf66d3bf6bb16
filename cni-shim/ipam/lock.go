package ipam

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errPatience is why a wait for the lock ended, where its context did not end it.
var errPatience = fmt.Errorf("%v are over", Patience)

// lock is flock(2) of a file, which the kernel releases when its holder ends, in whichever way. The file stays.
type lock struct {
	path string
	turn chan struct{} // has one element while a goroutine of this process holds the lock or waits for it in the kernel
}

func newLock(path string) *lock { return &lock{path: path, turn: make(chan struct{}, 1)} }

// acquire waits for the lock, Patience at most; release gives it back. The kernel serves who waits in turn. Where the wait ends early,
// its goroutine stays in the kernel until it has the lock, and gives it back at once; no second one goes there meanwhile.
func (l *lock) acquire(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Patience, errPatience)
	defer cancel()
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, &BusyError{l.path, context.Cause(ctx)}
	}
	if f, err := flock(l.path, unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		return l.locked(f, err)
	}
	done := make(chan locking)
	go l.block(ctx, done)
	select {
	case r := <-done:
		return r.release, r.err
	case <-ctx.Done():
		return nil, &BusyError{l.path, context.Cause(ctx)}
	}
}

// locking is what became of an attempt to lock.
type locking struct {
	release func()
	err     error
}

// block waits in the kernel until the lock is there, and gives it to who waits at done, or back where nobody does any more.
func (l *lock) block(ctx context.Context, done chan<- locking) {
	release, err := l.locked(flock(l.path, 0))
	select {
	case done <- locking{release, err}:
	case <-ctx.Done():
		if err == nil {
			release()
		}
	}
}

// locked is what acquire returns once the kernel has answered.
func (l *lock) locked(f *os.File, err error) (release func(), _ error) {
	if err != nil {
		<-l.turn
		return nil, err
	}
	return func() {
		f.Close() // which unlocks: nobody else has this description
		<-l.turn
	}, nil
}

// flock opens the file, or makes it, and locks it. A file that somebody removed or replaced meanwhile would lock nobody out.
func flock(path string, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("ipam: open lock: %w", err)
		}
		if err := wait(f, how|unix.LOCK_EX); err != nil {
			f.Close()
			return nil, fmt.Errorf("ipam: lock %s: %w", path, err)
		}
		if sameFile(f, path) {
			return f, nil
		}
		f.Close()
	}
}

func wait(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

func sameFile(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}
